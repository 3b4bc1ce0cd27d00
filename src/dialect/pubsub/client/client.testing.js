// What the client's tests share: a WebSocket that does what a test says, virtual time, and clients with their books.
// Whoever imports this has its timers mocked before each test, and its clients closed after it.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock } from "node:test";

import { connect } from "./client.js";

export const ROOM = { url: "http://hub", eventId: "e", sessionId: "s" };

/** A WebSocket of WHATWG's shape; `sockets` has all that were made, in order. */
export class FakeSocket {
  static sockets = [];
  readyState = 0;
  sent = [];
  constructor(url, protocols) {
    Object.assign(this, { url: new URL(url), protocols });
    FakeSocket.sockets.push(this);
  }
  send(text) {
    assert.notEqual(this.readyState, 0, "browsers throw");
    if (this.readyState === 1) this.sent.push(JSON.parse(text));
  }
  close(code) {
    if (this.readyState < 2) Object.assign(this, { readyState: 2, closedWith: code ?? 1005 });
  }
  // What the server's side does.
  accept() {
    this.readyState = 1;
    this.onopen({});
    return this;
  }
  says(message) {
    this.onmessage({ data: typeof message === "string" ? message : JSON.stringify(message) });
    return this;
  }
  welcome(next = 0, epoch = "E1", heartbeat = 25) {
    if (this.readyState === 0) this.accept();
    return this.says({ action: "welcome", data: { epoch, next, heartbeat } });
  }
  event(number, eventName = "a", data = { number }, id = `id-${number}`) {
    return this.says({ eventName, data, id, number });
  }
  ends(code, reason = "") {
    this.readyState = 3;
    this.onclose({ code, reason });
  }
  /** The last message of an action, or all of them. */
  asked(action) {
    return this.sent.filter((message) => message.action === action);
  }
}

/** Lets promises go on. */
export const turn = () => new Promise((resolve) => setImmediate(resolve));
export const tick = async (ms) => {
  mock.timers.tick(ms);
  await turn();
};
export const newest = () => FakeSocket.sockets.at(-1);
export const attempts = () => FakeSocket.sockets.length;

export const opened = [];
/** A client with its books: what was told to each kind of handler. */
export async function client(options = {}) {
  const room = connect({ ...ROOM, WebSocket: FakeSocket, ...options });
  opened.push(room);
  const told = { status: [], gap: [], error: [] };
  for (const kind of ["status", "gap", "error"]) room.on(kind, (value) => told[kind].push(value));
  await turn();
  return { room, told };
}
/** A client that was welcomed and hears `a` and `b`. */
export async function openClient(options, next = 0) {
  const { room, told } = await client(options);
  const heard = [];
  for (const name of ["a", "b"]) room.subscribe(name, (data, meta) => heard.push(meta.number));
  newest().welcome(next);
  return { room, told, heard, socket: newest() };
}
export const rejection = (promise) => promise.then(() => assert.fail("it was published"), (error) => error);

beforeEach(() => {
  FakeSocket.sockets = [];
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1_700_000_000_000 });
  mock.method(Math, "random", () => 0.5);
});
afterEach(() => {
  for (const room of opened.splice(0)) room.close();
  mock.timers.reset();
  mock.restoreAll();
  for (const name of ["location", "document", "addEventListener", "removeEventListener"]) delete globalThis[name];
});

/** Loses the connection and waits for the next attempt; its address says where it resumes. */
export async function reconnect(code = 1006) {
  newest().ends(code);
  await tick(30_000);
  const { searchParams } = newest().url;
  return [searchParams.get("last_event"), searchParams.get("epoch")];
}

/** A page: what it listens to, by name. */
export function page() {
  const listening = new Map();
  const add = (name, handler) => listening.set(name, handler);
  const remove = (name, handler) => listening.get(name) === handler && listening.delete(name);
  Object.assign(globalThis, { addEventListener: add, removeEventListener: remove });
  globalThis.document = { addEventListener: add, removeEventListener: remove };
  return listening;
}

/** A small generator that repeats (mulberry32). */
export function random(seed) {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let z = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z;
    return ((z ^ (z >>> 14)) >>> 0) % below;
  };
}

/** Runs what a seed decides, often; or once, by the `SEED` of the environment. What fails says its seed. */
export async function seeds(count, run) {
  const first = Number(process.env.SEED ?? Math.floor(performance.now() * 1_000));
  for (let seed = first; seed < first + (process.env.SEED ? 1 : count); seed++) {
    FakeSocket.sockets = [];
    try {
      await run(seed);
    } catch (error) {
      error.message += ` (SEED=${seed})`;
      throw error;
    }
  }
}
