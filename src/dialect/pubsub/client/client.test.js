// What client.js promises, one by one, in virtual time and against a WebSocket that does what a test says.
// The real server is spoken to by client.e2e.test.js.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, mock, test } from "node:test";
import { promisify } from "node:util";

import { connect } from "./client.js";

const ROOM = { url: "http://hub", eventId: "e", sessionId: "s" };

/** A WebSocket of WHATWG's shape; `sockets` has all that were made, in order. */
class FakeSocket {
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
const turn = () => new Promise((resolve) => setImmediate(resolve));
const tick = async (ms) => {
  mock.timers.tick(ms);
  await turn();
};
const newest = () => FakeSocket.sockets.at(-1);
const attempts = () => FakeSocket.sockets.length;

const opened = [];
/** A client with its books: what was told to each kind of handler. */
async function client(options = {}) {
  const room = connect({ ...ROOM, WebSocket: FakeSocket, ...options });
  opened.push(room);
  const told = { status: [], gap: [], error: [] };
  for (const kind of ["status", "gap", "error"]) room.on(kind, (value) => told[kind].push(value));
  await turn();
  return { room, told };
}
/** A client that was welcomed and hears `a` and `b`. */
async function openClient(options, next = 0) {
  const { room, told } = await client(options);
  const heard = [];
  for (const name of ["a", "b"]) room.subscribe(name, (data, meta) => heard.push(meta.number));
  newest().welcome(next);
  return { room, told, heard, socket: newest() };
}
const rejection = (promise) => promise.then(() => assert.fail("it was published"), (error) => error);

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

// --- Where to, and who ---

test("a url may be of HTTP or WebSocket, with or without a path", async () => {
  const wanted = {
    "http://hub": "ws://hub/pubsub/ws",
    "https://hub/": "wss://hub/pubsub/ws",
    "ws://hub:7400": "ws://hub:7400/pubsub/ws",
    "wss://hub/below/": "wss://hub/below/pubsub/ws",
    "wss://hub/below": "wss://hub/below/pubsub/ws",
    "wss://hub/pubsub/ws": "wss://hub/pubsub/ws",
    "https://hub/pubsub/ws/#top": "wss://hub/pubsub/ws",
  };
  for (const [url, address] of Object.entries(wanted)) {
    await client({ url, eventId: "e/1", sessionId: "s &=ü" });
    const { href, hash, searchParams } = newest().url;
    assert.equal(hash, "");
    assert.equal(href.split("?")[0], address);
    assert.deepEqual([...searchParams], [["event_id", "e/1"], ["session_id", "s &=ü"]]);
  }
  await client({ url: new URL("https://hub/?key=1") });
  assert.equal(newest().url.href, "wss://hub/pubsub/ws?key=1&event_id=e&session_id=s");
});

test("without a url it is the module's own server, or else the page's", async () => {
  const source = await readFile(new URL("client.js", import.meta.url), "utf8");
  const addressFrom = async (own) => {
    const text = source.replace("import.meta.url", JSON.stringify(own));
    const { connect } = await import(`data:text/javascript,${encodeURIComponent(text)}`);
    opened.push(connect({ ...ROOM, url: undefined, WebSocket: FakeSocket }));
    await turn();
    return newest().url.href.split("?")[0];
  };
  globalThis.location = new URL("https://page/some/path?x=1");
  assert.equal(await addressFrom("http://hub/pubsub/client.js"), "ws://hub/pubsub/ws");
  assert.equal(await addressFrom("https://hub/below/pubsub/client.js?v=12ab"), "wss://hub/below/pubsub/ws");
  assert.equal(await addressFrom("https://cdn/bundle.js"), "wss://page/pubsub/ws");
  assert.equal(await addressFrom("file:///x/pubsub/client.js"), "wss://page/pubsub/ws");
  await client({ url: "/hub" });
  assert.equal(newest().url.pathname, "/hub/pubsub/ws");
});

test("what is missing or wrong is said at once", () => {
  const bad = [
    [undefined, /eventId/],
    [{ ...ROOM, eventId: "" }, /eventId/],
    [{ ...ROOM, sessionId: undefined }, /sessionId/],
    [{ ...ROOM, url: undefined }, /url/],
    [{ ...ROOM, url: "ftp://hub" }, /ftp:/],
    [{ ...ROOM, url: "nowhere" }, /URL/],
    [{ ...ROOM, WebSocket: null }, /connect\(\{ WebSocket \}\)/],
  ];
  for (const [options, message] of bad) {
    const given = options && { WebSocket: FakeSocket, ...options };
    assert.throws(() => connect(given), (error) => error instanceof TypeError && message.test(error.message));
  }
});

test("handlers must be functions", async () => {
  const { room } = await client();
  assert.throws(() => room.subscribe("a", {}), TypeError);
  assert.throws(() => room.on("gap"), TypeError);
});

test("a token is a subprotocol where it can be, and else the first message", async () => {
  await client({ token: "fan_abc.DEF-1~2" });
  assert.deepEqual(newest().protocols, ["fanfare", "fan_abc.DEF-1~2"]);
  assert.deepEqual(newest().accept().sent, []);
  for (const token of ["two words", "a,b", "ключ", "=base64=", "Fanfare", "fanfare"]) {
    await client({ token });
    assert.deepEqual(newest().protocols, ["fanfare"]);
    const [{ action, data, ref }, ...more] = newest().accept().sent;
    assert.deepEqual([action, data, more], ["authenticate", { token }, []]);
    assert.ok(ref > 0);
  }
  await client();
  assert.deepEqual(newest().protocols, ["fanfare"]);
  assert.deepEqual(newest().accept().sent, []);
});

test("a token function is asked again before each attempt", async () => {
  let asked = 0;
  await client({ token: async () => `t${++asked}` });
  newest().ends(1006);
  await tick(30_000);
  assert.deepEqual(FakeSocket.sockets.map(({ protocols }) => protocols[1]), ["t1", "t2"]);
  await client({ token: () => undefined });
  assert.deepEqual(newest().protocols, ["fanfare"]);
});

test("a token function that fails is told and tried again", async () => {
  let asked = 0;
  const token = () => {
    if (++asked === 1) throw new Error("offline");
    return asked === 2 ? Promise.reject(new Error("still offline")) : "t";
  };
  const { told, room } = await client({ token });
  assert.equal(room.status, "waiting");
  await tick(250);
  await tick(500);
  assert.deepEqual(told.error.map(({ code, message }) => [code, message]), [["token", "offline"], ["token", "still offline"]]);
  assert.deepEqual(FakeSocket.sockets.map(({ protocols }) => protocols[1]), ["t"]);
});

test("a token that never comes and a server that never welcomes are given up", async () => {
  let answer;
  let asked = 0;
  const token = () => (asked++ ? "late" : new Promise((resolve) => (answer = resolve)));
  const { room } = await client({ token });
  await tick(21_000);
  await tick(1_000);
  assert.equal(asked, 2);
  answer("too late");
  await turn();
  assert.deepEqual(FakeSocket.sockets.map(({ protocols }) => protocols[1]), ["late"]);
  await tick(21_000);
  assert.equal(room.status, "waiting");
  assert.equal(newest().readyState, 2);
  await tick(1_000);
  assert.equal(attempts(), 2);
});

test("what closes while a token is awaited does not connect", async () => {
  let answer;
  const { room } = await client({ token: () => new Promise((resolve) => (answer = resolve)) });
  room.close();
  answer("t");
  await turn();
  assert.equal(attempts(), 0);
  const { room: other, told } = await client({ token: () => new Promise((_, reject) => (answer = reject)) });
  other.close();
  answer(new Error("too late"));
  await turn();
  assert.deepEqual(told.error, []);
});

// --- Subscriptions ---

test("the first message names everything, later ones one by one", async () => {
  const { room, socket } = await openClient();
  assert.deepEqual(socket.sent.map(({ action, data }) => [action, data]), [
    ["subscribe-event", { eventNames: ["a", "b"] }],
  ]);
  const off = room.subscribe("c", () => {});
  const offToo = room.subscribe("c", () => {});
  off();
  off();
  assert.equal(socket.asked("unsubscribe-event").length, 0);
  offToo();
  offToo();
  room.subscribe("c", () => {});
  assert.deepEqual(socket.sent.slice(1).map(({ action, data }) => [action, data]), [
    ["subscribe-event", { eventName: "c" }],
    ["unsubscribe-event", { eventName: "c" }],
    ["subscribe-event", { eventName: "c" }],
  ]);
  const refs = socket.sent.map(({ ref }) => ref);
  assert.equal(new Set(refs).size, refs.length);
  assert.ok(refs.every(Number.isInteger));
});

test("without a name the server is told not to wait for one", async () => {
  const { room } = await client();
  room.subscribe("a", () => {})();
  newest().welcome();
  assert.deepEqual(newest().sent.map(({ action }) => action), ["unsubscribe-event"]);
  room.subscribe("a", () => {});
  assert.deepEqual(newest().sent[1].data, { eventName: "a" });
});

test("a reconnect subscribes to what is wanted by then", async () => {
  const { room, socket } = await openClient();
  const off = room.subscribe("c", () => {});
  socket.ends(1006);
  off();
  room.subscribe("d", () => {});
  await tick(30_000);
  newest().welcome();
  assert.deepEqual(newest().sent.map(({ data }) => data), [{ eventNames: ["a", "b", "d"] }]);
});

test("a handler gets the data itself, and then what is known of the event", async () => {
  const { room } = await client();
  const heard = [];
  room.subscribe("hello", (...given) => heard.push(given));
  newest().welcome();
  for (const data of [{ foo: "bar" }, [1], null, "text", 0]) newest().event(heard.length, "hello", data);
  assert.deepEqual(heard[0], [{ foo: "bar" }, { id: "id-0", number: 0, eventName: "hello" }]);
  assert.deepEqual(heard.map(([data]) => data), [{ foo: "bar" }, [1], null, "text", 0]);
  newest().event(9, "Hello").event(10, "hell").event(11, "constructor");
  assert.equal(heard.length, 5);
});

test("handlers come and go while an event is told", async () => {
  const reported = mock.method(console, "error", () => {});
  const { room } = await client();
  const calls = [];
  const again = () => {
    calls.push("again");
    room.subscribe("a", again);
  };
  room.subscribe("a", again);
  let off;
  room.subscribe("a", () => off());
  off = room.subscribe("a", () => calls.push("removed"));
  newest().welcome();
  newest().event(0);
  assert.deepEqual(calls, ["again"]);
  newest().event(1);
  assert.equal(calls.length, 3);
  assert.equal(reported.mock.callCount(), 0);
});

test("a handler that throws is reported and harms nobody else", async () => {
  const reported = mock.method(console, "error", () => {});
  const { room, told } = await client();
  const heard = [];
  room.subscribe("a", () => {
    throw new Error("mine");
  });
  room.subscribe("a", (data) => heard.push(data));
  room.on("status", () => {
    throw new Error("mine too");
  });
  newest().welcome().event(0).event(1);
  assert.equal(heard.length, 2);
  assert.deepEqual(reported.mock.calls.map(({ arguments: [{ message }] }) => message), ["mine too", "mine", "mine"]);
  assert.deepEqual(told.error, []);
});

test("a refused subscription goes to the error handlers, or to the console", async () => {
  const console = mock.method(globalThis.console, "error", () => {});
  const { told, socket } = await openClient();
  socket.says({ action: "error", ref: 1, data: { code: "forbidden", message: "no" } });
  assert.deepEqual(told.error.map(({ name, code, message }) => [name, code, message]), [["PubSubError", "forbidden", "no"]]);
  assert.ok(told.error[0] instanceof Error);
  assert.equal(console.mock.callCount(), 0);
  opened.push(connect({ ...ROOM, WebSocket: FakeSocket }));
  await turn();
  newest().welcome().says({ action: "error", ref: 1, data: { code: "forbidden", message: "no" } });
  assert.equal(console.mock.callCount(), 1);
});

test("what is not this protocol is told, and what is newer ignored", async () => {
  const { told, heard, socket } = await openClient();
  socket.says("<html>").says("null").says({ action: "welcome" });
  socket.says({ action: "applause" }).says({ action: "heartbeat" }).says({ action: "subscribed", ref: 1 });
  socket.event(0);
  assert.deepEqual(told.error.map(({ code }) => code), ["protocol", "protocol", "protocol"]);
  assert.deepEqual(heard, [0]);
});

// --- Coming back ---

/** Loses the connection and waits for the next attempt; its address says where it resumes. */
async function reconnect(code = 1006) {
  newest().ends(code);
  await tick(30_000);
  const { searchParams } = newest().url;
  return [searchParams.get("last_event"), searchParams.get("epoch")];
}

test("it resumes behind the last event it heard", async () => {
  const { heard, socket } = await openClient({}, 7);
  socket.event(7).event(9, "b").event(12);
  assert.deepEqual(await reconnect(), ["12", "E1"]);
  newest().welcome(15).event(13).event(14);
  assert.deepEqual(await reconnect(), ["14", "E1"]);
  assert.deepEqual(heard, [7, 9, 12, 13, 14]);
});

test("it resumes from the welcome if it was cut off before it heard anything", async () => {
  await openClient({}, 7);
  assert.deepEqual(await reconnect(), ["6", "E1"]);
  // The second welcome does not move it: what came between is still to be heard.
  newest().welcome(20);
  assert.deepEqual(await reconnect(), ["6", "E1"]);
  await openClient({}, 0);
  assert.deepEqual(await reconnect(), ["-1", "E1"]);
});

test("it has no cursor before it was ever welcomed", async () => {
  await client();
  assert.deepEqual(await reconnect(), [null, null]);
});

test("what comes twice is heard once", async () => {
  const { heard, socket } = await openClient();
  socket.event(0).event(1).event(1).event(0);
  await reconnect();
  newest().welcome(2).event(1).event(2).event(2, "b", {}, "another id");
  assert.deepEqual(heard, [0, 1, 2]);
  // By id alone, where there is no number.
  const withoutNumber = (id) => newest().says({ eventName: "a", data: {}, id });
  withoutNumber("x");
  withoutNumber("x");
  assert.equal(heard.length, 4);
  assert.deepEqual(await reconnect(), ["2", "E1"]);
});

test("the memory for ids is bounded", async () => {
  const { heard, socket } = await openClient();
  const say = (id) => socket.says({ eventName: "a", data: {}, id });
  for (let id = 0; id < 257; id++) say(`x${id}`);
  say("x1");
  assert.equal(heard.length, 257);
  say("x0");
  assert.equal(heard.length, 258);
});

test("an earlier connection is not heard any more", async () => {
  const { heard, told, socket } = await openClient({ token: "a message" });
  socket.event(0);
  await reconnect();
  newest().accept();
  const books = JSON.stringify([told, newest().sent]);
  socket.event(1);
  socket.ends(4403);
  socket.onerror({});
  socket.onopen({});
  assert.deepEqual([heard, JSON.stringify([told, newest().sent])], [[0], books]);
});

test("a gap is told, and behind it is where the next connection resumes", async () => {
  const { told, heard, socket } = await openClient();
  socket.event(2);
  await reconnect();
  newest().welcome(20).says({ action: "gap", data: { from: 3, to: 9 } });
  assert.deepEqual(told.gap, [{ from: 3, to: 9 }]);
  assert.deepEqual(await reconnect(), ["9", "E1"]);
  newest().welcome(20).event(10).event(19);
  assert.deepEqual(heard, [2, 10, 19]);
  assert.equal(told.gap.length, 1);
});

test("a new epoch is a gap that is told once, whoever notices it first", async () => {
  for (const serverTells of [true, false]) {
    const { told, heard, socket } = await openClient({}, 50);
    socket.event(50);
    await reconnect();
    newest().welcome(4, "E2");
    if (serverTells) newest().says({ action: "gap", data: { reset: true } });
    // What the new life has is replayed, from its beginning.
    newest().event(1, "a", {}, "new-1").event(3, "b", {}, "new-3");
    assert.deepEqual(heard, [50, 1, 3]);
    for (let attempt = 0; attempt < 3; attempt++) {
      assert.deepEqual(await reconnect(), ["3", "E2"]);
      newest().welcome(4, "E2");
    }
    assert.deepEqual(told.gap, [{ reset: true }]);
  }
});

test("a new epoch is taken over also if nothing of it is heard", async () => {
  const { told, socket } = await openClient({}, 50);
  socket.event(50);
  await reconnect();
  newest().welcome(4, "E2");
  assert.deepEqual(await reconnect(), ["3", "E2"]);
  newest().welcome(0, "E3").says({ action: "gap", data: { reset: true } });
  assert.deepEqual(await reconnect(), ["-1", "E3"]);
  assert.equal(told.gap.length, 2);
  // A life that repeats itself is another reset.
  newest().welcome(0, "E3").says({ action: "gap", data: { reset: true } });
  assert.equal(told.gap.length, 3);
});

test("a cursor that the server calls ahead of its log is forgotten", async () => {
  const { told, heard, socket } = await openClient({}, 50);
  socket.event(50);
  await reconnect();
  newest().welcome(3).says({ action: "gap", data: { reset: true } });
  newest().event(2, "a", {}, "other-2");
  assert.deepEqual(await reconnect(), ["2", "E1"]);
  assert.deepEqual([heard, told.gap], [[50, 2], [{ reset: true }]]);
});

// --- Time ---

test("delays have full jitter, double, and are capped", async () => {
  const delays = [];
  const { room } = await client();
  room.on("status", (status, detail) => status === "waiting" && delays.push([detail.delay, detail.attempt]));
  for (let attempt = 0; attempt < 9; attempt++) {
    newest().ends(1006);
    await tick(delays.at(-1)[0] - 1);
    assert.equal(attempts(), attempt + 1);
    await tick(1);
    assert.equal(attempts(), attempt + 2);
  }
  const expected = [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000];
  assert.deepEqual(delays, expected.map((delay, index) => [delay, index + 1]));
});

test("backoff can be set, and chance is what chooses", async () => {
  const delays = [];
  const { room } = await client({ backoff: { base: 10, cap: 40 } });
  room.on("status", (status, detail) => status === "waiting" && delays.push(detail.delay));
  for (const chance of [0, 0.25, 0.99, 0.5]) {
    Math.random.mock.mockImplementation(() => chance);
    newest().ends(1006);
    await tick(100);
  }
  assert.deepEqual(delays, [0, 5, 39.6, 20]);
});

test("only a welcome that lasted makes the first delay short again", async () => {
  const delays = [];
  const { room } = await client();
  room.on("status", (status, detail) => status === "waiting" && delays.push(detail.delay));
  for (const ms of [0, 4_999, 5_000, 0]) {
    newest().welcome();
    await tick(ms);
    newest().ends(1012);
    await tick(1_000);
  }
  assert.deepEqual(delays, [250, 500, 250, 500]);
});

test("silence for one and a half heartbeats ends a connection, and the next is made at once", async () => {
  const { room, told, socket } = await openClient();
  for (let beat = 0; beat < 5; beat++) {
    await tick(25_000);
    socket.says({ action: "heartbeat" });
  }
  await tick(37_000);
  assert.equal(attempts(), 1);
  await tick(2_000);
  await tick(0);
  assert.equal(attempts(), 2);
  assert.equal(socket.closedWith, 1005);
  newest().welcome();
  assert.equal(room.status, "open");
  assert.deepEqual(told.status.slice(1), ["waiting", "connecting", "open"]);
});

test("the server's own heartbeat counts, and every word is one", async () => {
  const { socket } = await openClient();
  socket.welcome(0, "E1", 2);
  for (let number = 0; number < 5; number++) {
    await tick(2_900);
    socket.event(number);
  }
  assert.equal(attempts(), 1);
  await tick(4_000);
  await tick(0);
  assert.equal(attempts(), 2);
});

/** A page: what it listens to, by name. */
function page() {
  const listening = new Map();
  const add = (name, handler) => listening.set(name, handler);
  const remove = (name, handler) => listening.get(name) === handler && listening.delete(name);
  Object.assign(globalThis, { addEventListener: add, removeEventListener: remove });
  globalThis.document = { addEventListener: add, removeEventListener: remove };
  return listening;
}

test("a sleep is noticed on waking up, before any timer", async () => {
  for (const name of ["visibilitychange", "online"]) {
    FakeSocket.sockets = [];
    const listening = page();
    const { room } = await openClient();
    // The clock went on while timers stood still.
    mock.timers.setTime(Date.now() + 3_600_000);
    listening.get(name)();
    await tick(0);
    assert.equal(attempts(), 2, name);
    room.close();
    assert.equal(listening.size, 0);
  }
});

test("waking up in time changes nothing", async () => {
  const listening = page();
  await openClient();
  await tick(20_000);
  listening.get("visibilitychange")();
  listening.get("online")();
  await tick(0);
  assert.equal(attempts(), 1);
});

test("a clock that was set back does not hide silence", async () => {
  await openClient();
  const now = Date.now;
  mock.method(Date, "now", () => now() - 3_600_000);
  await tick(1_000);
  await tick(250);
  assert.equal(attempts(), 2);
});

test("an attempt whose timer slept is made on waking up; the network's return makes it at once", async () => {
  const listening = page();
  await client({ backoff: { base: 60_000 } });
  newest().ends(1006);
  listening.get("visibilitychange")();
  await turn();
  assert.equal(attempts(), 1);
  mock.timers.setTime(Date.now() + 15_000);
  listening.get("visibilitychange")();
  await turn();
  assert.equal(attempts(), 2);
  newest().ends(1006);
  listening.get("online")();
  await turn();
  assert.equal(attempts(), 3);
  // The timer that was overtaken does not make another.
  await tick(15_000);
  assert.equal(attempts(), 3);
});

// --- A server that leaves ---

test("a server that leaves is left at a moment before it goes, in silence", async () => {
  const { room, told, socket } = await openClient();
  await tick(6_000);
  socket.says({ action: "reconnect", data: { before: Date.now() + 8_000 } });
  await tick(3_999);
  assert.deepEqual([room.status, attempts()], ["open", 1]);
  socket.event(0);
  await tick(1);
  await tick(0);
  assert.equal(attempts(), 2);
  assert.equal(socket.readyState, 2);
  assert.equal(newest().url.searchParams.get("last_event"), "0");
  newest().welcome(1);
  assert.deepEqual(told.status.slice(1), ["waiting", "connecting", "open"]);
  assert.deepEqual(told.error, []);
});

test("a moment that is far away or past is not believed", async () => {
  for (const before of [-86_400_000, 86_400_000]) {
    FakeSocket.sockets = [];
    const { socket } = await openClient();
    await tick(6_000);
    socket.says({ action: "reconnect", data: { before: Date.now() + before } });
    await tick(before < 0 ? 0 : 15_000);
    await tick(0);
    assert.equal(attempts(), 2);
  }
});

test("of two moments to leave the later word counts", async () => {
  const { socket } = await openClient();
  await tick(6_000);
  socket.says({ action: "reconnect", data: { before: Date.now() + 8_000 } });
  socket.says({ action: "reconnect", data: { before: Date.now() + 20_000 } });
  await tick(9_999);
  await tick(0);
  assert.equal(attempts(), 1);
  await tick(1);
  await tick(0);
  assert.equal(attempts(), 2);
});

test("a server that always leaves is not asked again and again", async () => {
  await openClient();
  for (let attempt = 1; attempt <= 3; attempt++) {
    newest().welcome().says({ action: "reconnect", data: { before: Date.now() } });
    await tick(0);
    await tick(0);
    assert.equal(attempts(), attempt);
    await tick(30_000);
    assert.equal(attempts(), attempt + 1);
  }
});

test("a server that leaves may answer first, and is asked nothing more", async () => {
  const { room, socket } = await openClient();
  await tick(6_000);
  const first = room.publish("x");
  socket.says({ action: "reconnect", data: { before: Date.now() } });
  await tick(0);
  const second = room.publish("y");
  assert.deepEqual([attempts(), socket.asked("publish-event").length], [1, 1]);
  socket.says({ action: "published", ref: socket.asked("publish-event")[0].ref, data: { id: "1", number: 0 } });
  assert.deepEqual(await first, { id: "1", number: 0 });
  await tick(0);
  await tick(0);
  newest().welcome(1);
  const [{ data, ref }] = newest().asked("publish-event");
  assert.equal(data.eventName, "y");
  newest().says({ action: "published", ref, data: { id: "2", number: 1 } });
  assert.equal((await second).id, "2");
});

// --- Refusals ---

test("some close codes are final", async () => {
  const codes = { 4400: "bad_request", 4401: "unauthorized", 4403: "forbidden", 4404: "not_found", 4409: "conflict" };
  for (const [close, code] of Object.entries(codes)) {
    const { room, told } = await client({ token: "t" });
    const waiting = rejection(room.publish("x"));
    const before = attempts();
    newest().accept().ends(Number(close), "so it is");
    assert.equal(room.status, "closed");
    assert.deepEqual(told.error.map(({ code, message }) => [code, message]), [[code, "so it is"]]);
    assert.equal((await waiting).code, code);
    await tick(120_000);
    assert.equal(attempts(), before);
    assert.equal((await rejection(room.publish("x"))).code, "closed");
  }
});

test("what the server says before a final close is the reason", async () => {
  const { told } = await client();
  newest().accept().says({ action: "error", data: { code: "conflict", message: "of another event" } }).ends(4409);
  assert.deepEqual(told.error.map(({ code, message }) => [code, message]), [["conflict", "of another event"]]);
});

test("the last words of one connection are not those of another", async () => {
  const { told } = await client();
  newest().accept().says({ action: "error", data: { code: "busy", message: "later" } }).ends(1013);
  await tick(1_000);
  newest().accept().ends(4403);
  assert.deepEqual(told.error.map(({ code, message }) => [code, message]), [["forbidden", "forbidden"]]);
});

test("in the handler of a final error everything is over", async () => {
  const { room } = await client();
  let error;
  room.on("error", () => {
    assert.equal(room.status, "closed");
    error = rejection(room.publish("x"));
  });
  newest().accept().ends(4403);
  assert.equal((await error).code, "closed");
});

test("a connection that could not be made need not say more than error", async () => {
  const { told } = await client();
  const first = newest();
  first.onerror({});
  first.ends(1006);
  assert.deepEqual(told.status, ["waiting"]);
  await tick(250);
  assert.equal(attempts(), 2);
});

test("all other close codes are not", async () => {
  for (const code of [1000, 1001, 1006, 1009, 1012, 1013, 4408, 4410, 4999]) {
    const { room, told } = await client();
    newest().accept().ends(code);
    assert.deepEqual([room.status, told.error], ["waiting", []]);
  }
});

test("a token function is asked once more when its token is refused", async () => {
  let asked = 0;
  const { room, told } = await client({ token: () => `t${++asked}` });
  newest().accept().ends(4401);
  await tick(1_000);
  newest().accept().ends(4401, "no such token");
  assert.deepEqual([asked, room.status, told.error.length], [2, "closed", 1]);

  // A token that ends after a while is not a refusal of the next one.
  const { room: other } = await client({ token: () => `u${++asked}` });
  for (let day = 0; day < 3; day++) {
    newest().welcome();
    await tick(6_000);
    newest().ends(4401);
    await tick(1_000);
  }
  assert.deepEqual([asked, other.status], [6, "connecting"]);
  // But one that is welcomed and turned out at once is.
  newest().welcome().ends(4401);
  await tick(1_000);
  newest().welcome().ends(4401);
  assert.equal(other.status, "closed");
});

test("an address that no WebSocket takes is final", async () => {
  class Refusing {
    constructor() {
      throw new SyntaxError("not such an address");
    }
  }
  const { room, told } = await client({ WebSocket: Refusing });
  assert.deepEqual([room.status, told.error[0].message], ["closed", "not such an address"]);
});

test("a server that is gone for long is tried again, and the status says so", async () => {
  const { room, told, socket } = await openClient();
  socket.ends(1001);
  for (let second = 0; second < 600; second++) {
    await tick(1_000);
    if (newest().readyState === 0) newest().ends(1006);
  }
  assert.equal(room.status, "waiting");
  assert.ok(attempts() > 35 && attempts() < 50, String(attempts()));
  assert.deepEqual(told.error, []);
  await tick(30_000);
  newest().welcome();
  assert.equal(room.status, "open");
});

// --- Publishing ---

test("publish sends what it is given and has the answer", async () => {
  const { room, socket } = await openClient();
  const events = [
    [{ data: { custom: "payload" } }, { eventName: "x", data: { custom: "payload" } }],
    [{ data: null, scope: "event" }, { eventName: "x", data: null, scope: "event" }],
    [{ scope: "organization" }, { eventName: "x", scope: "organization" }],
    [undefined, { eventName: "x" }],
  ];
  for (const [given, expected] of events) {
    const published = room.publish("x", given);
    const { data, ref } = socket.sent.at(-1);
    assert.deepEqual(data, expected);
    socket.says({ action: "published", ref, data: { id: `id-${ref}` } });
    assert.deepEqual(await published, { id: `id-${ref}` });
  }
});

test("answers are told apart by their ref, and an error rejects", async () => {
  const { room, told, socket } = await openClient();
  const [first, second] = [room.publish("x"), rejection(room.publish("y"))];
  const [{ ref }, { ref: other }] = socket.asked("publish-event");
  socket.says({ action: "error", ref: other, data: { code: "busy", message: "later" } });
  socket.says({ action: "published", ref, data: { id: "1", number: 3 } });
  socket.says({ action: "published", ref, data: { id: "2", number: 4 } });
  assert.deepEqual(await first, { id: "1", number: 3 });
  const { name, code, message } = await second;
  assert.deepEqual([name, code, message, told.error], ["PubSubError", "busy", "later", []]);
});

test("what cannot be written as JSON is refused at once, and data is taken as it is now", async () => {
  const { room } = await client();
  const circle = {};
  circle.circle = circle;
  assert.ok((await rejection(room.publish("x", { data: circle }))) instanceof TypeError);
  const data = { n: 1 };
  rejection(room.publish("x", { data }));
  data.n = 2;
  newest().welcome();
  assert.deepEqual(newest().asked("publish-event").map(({ data }) => data.data), [{ n: 1 }]);
});

test("publishes wait for the connection, behind the subscriptions, in order, up to a bound", async () => {
  const { room } = await client({ queue: 3 });
  room.subscribe("a", () => {});
  for (const name of ["1", "2", "3"]) room.publish(name).catch(() => {});
  assert.equal((await rejection(room.publish("4"))).code, "queue_full");
  newest().accept();
  assert.deepEqual(newest().sent, []);
  newest().welcome();
  const sent = newest().sent.map(({ action, data }) => data.eventName ?? action);
  assert.deepEqual(sent, ["subscribe-event", "1", "2", "3"]);
  // What was sent waits for an answer, not for a connection.
  for (let n = 0; n < 10; n++) room.publish("x").catch(() => {});
  assert.equal(newest().asked("publish-event").length, 13);
});

test("the queue has 64 places unless told otherwise", async () => {
  const { room } = await client();
  for (let n = 0; n < 64; n++) room.publish("x").catch(() => {});
  assert.equal((await rejection(room.publish("x"))).code, "queue_full");
});

test("who waits too long for a connection is told, and nothing is sent later", async () => {
  for (const [timeout, ms] of [[undefined, 10_000], [3_000, 3_000]]) {
    const { room } = await client({ timeout });
    let error;
    room.publish("x").catch((reason) => (error = reason));
    await tick(ms - 1_000);
    assert.equal(error, undefined);
    await tick(1_000);
    assert.equal(error.code, "timeout");
    newest().welcome();
    assert.deepEqual(newest().asked("publish-event"), []);
  }
});

test("a publish whose answer is lost is unknown, and never sent twice", async () => {
  const { room, socket } = await openClient();
  const error = rejection(room.publish("x"));
  socket.ends(1006);
  assert.equal((await error).code, "unknown");
  await tick(1_000);
  newest().welcome();
  assert.deepEqual(newest().asked("publish-event"), []);
  // The same if the answer just does not come.
  const late = rejection(room.publish("y"));
  await tick(10_000);
  assert.equal((await late).code, "unknown");
});

test("a socket that is about to close is given nothing", async () => {
  const { room, socket } = await openClient();
  socket.readyState = 2;
  const published = room.publish("x");
  room.subscribe("c", () => {});
  socket.ends(1001);
  await tick(1_000);
  newest().welcome();
  const [{ data, ref }] = newest().asked("publish-event");
  assert.equal(data.eventName, "x");
  assert.deepEqual(newest().sent[0].data, { eventNames: ["a", "b", "c"] });
  newest().says({ action: "published", ref, data: { id: "1" } });
  assert.deepEqual(await published, { id: "1" });
});

// --- The whole ---

test("the status has a history", async () => {
  const { room, told } = await client();
  assert.equal(room.status, "connecting");
  newest().welcome();
  newest().ends(1001, "leaving");
  await tick(250);
  room.close();
  assert.deepEqual(told.status, ["open", "waiting", "connecting", "closed"]);
  const { room: other } = await client();
  const details = [];
  const off = other.on("status", (status, detail) => details.push([status, detail]));
  newest().ends(1013, "slow");
  assert.deepEqual(details, [["waiting", { code: 1013, reason: "slow", delay: 250, attempt: 1 }]]);
  off();
  await tick(250);
  assert.equal(details.length, 1);
});

test("close leaves nothing behind", async () => {
  const listening = page();
  const { room, told, heard, socket } = await openClient();
  const errors = [rejection(room.publish("x"))];
  socket.readyState = 2;
  errors.push(rejection(room.publish("y")));
  socket.readyState = 1;
  assert.equal(listening.size, 2);
  room.close();
  room.close();
  assert.deepEqual((await Promise.all(errors)).map(({ code }) => code), ["unknown", "closed"]);
  assert.equal(socket.readyState, 2);
  assert.equal(listening.size, 0);
  socket.event(0);
  socket.ends(1000);
  await tick(120_000);
  assert.deepEqual([heard, attempts(), told.status, told.error], [[], 1, ["open", "closed"], []]);
  // Not even the way out of a handler does harm.
  room.subscribe("c", () => {})();
});

test("a closed client does not keep Node from leaving", async () => {
  const program = `
    import { connect } from ${JSON.stringify(new URL("client.js", import.meta.url).href)};
    class WebSocket { constructor() { setTimeout(() => this.onerror({})); } close() {} }
    const room = connect({ url: "http://hub", eventId: "e", sessionId: "s", WebSocket, backoff: { base: 1e9, cap: 1e9 } });
    room.on("status", (status) => status === "waiting" && room.close());`;
  await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program], { timeout: 20_000 });
});

test("a handler may close the client, whatever it is told", async () => {
  const ends = {
    status: () => newest().welcome(),
    gap: () => newest().welcome().says({ action: "gap", data: { from: 0, to: 1 } }),
    error: () => newest().welcome().says("{"),
  };
  for (const [kind, happen] of Object.entries(ends)) {
    const { room } = await client();
    room.on("error", () => {});
    room.on(kind, () => room.close());
    const before = attempts();
    happen();
    await tick(60_000);
    assert.deepEqual([room.status, attempts()], ["closed", before], kind);
  }
  const { room, told } = await openClient();
  room.on("status", (status) => status === "open" && room.close());
  await reconnect();
  newest().welcome(0, "E2");
  assert.deepEqual([room.status, told.gap], ["closed", []]);
});

test("two clients of one room share nothing", async () => {
  const one = await openClient();
  const two = await openClient();
  one.socket.event(0);
  two.socket.event(0).event(1);
  one.room.close();
  two.socket.event(2);
  assert.deepEqual([one.heard, two.heard], [[0], [0, 1, 2]]);
});

test("many events start no timers", async () => {
  const { heard, socket } = await openClient();
  const timers = [mock.method(globalThis, "setTimeout"), mock.method(globalThis, "setInterval")];
  for (let number = 0; number < 10_000; number++) socket.event(number);
  assert.equal(heard.length, 10_000);
  assert.deepEqual(timers.map(({ mock }) => mock.callCount()), [0, 0]);
});

// --- Against a model ---

/** A small generator that repeats (mulberry32). */
function random(seed) {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let z = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z;
    return ((z ^ (z >>> 14)) >>> 0) % below;
  };
}

/**
 * A room with a bounded log, whose connections break at any moment and whose server restarts: each event that was
 * published after the first welcome is heard once and in order, or lies in a gap that was told.
 */
async function followsTheLog(seed) {
  const chance = random(seed);
  const { room } = await client();
  const heard = [];
  const gaps = [];
  room.subscribe("a", ({ key }) => heard.push(key));
  room.on("gap", (gap) => gaps.push({ ...gap, life, next }));
  let [life, log, next, oldest, position] = [0, [], 0, 0, undefined];
  const published = [];
  const flush = (most) => {
    for (; position < next && most > 0; position++, most--) {
      const { name, key } = log[position];
      if (name === "a") newest().event(position, name, { key }, key);
    }
  };
  const accept = () => {
    const query = newest().url.searchParams;
    newest().welcome(next, `life-${life}`);
    if (newest().readyState !== 1) return;
    position = next;
    if (!query.has("last_event")) return;
    const wanted = Number(query.get("last_event")) + 1;
    const reset = query.get("epoch") !== `life-${life}` || wanted > next;
    if (reset) newest().says({ action: "gap", data: { reset: true } });
    else if (wanted < oldest) newest().says({ action: "gap", data: { from: wanted, to: oldest - 1 } });
    position = reset ? oldest : Math.max(wanted, oldest);
  };
  accept();
  for (let step = 0; step < 60; step++) {
    switch (chance(6)) {
      case 0:
        if (newest().readyState < 2) newest().ends(1006);
        break;
      case 1:
        await tick(30_000);
        if (newest().readyState === 0) accept();
        break;
      case 2:
        if (chance(4)) break;
        if (newest().readyState < 2) newest().ends(1001);
        [life, log, next, oldest] = [life + 1, [], 0, 0];
        break;
      case 3:
        oldest = Math.min(next, oldest + chance(4));
        break;
      default:
        for (let n = chance(4); n > 0; n--) {
          const event = { name: "ab"[chance(2)], key: `${life}:${next}`, life, number: next };
          published.push(event);
          log[next++] = event;
        }
        if (newest().readyState === 1) flush(chance(6));
    }
  }
  await tick(30_000);
  if (newest().readyState === 0) accept();
  if (newest().readyState === 1) flush(Infinity);
  const wanted = published.filter(({ name }) => name === "a").map(({ key }) => key);
  const place = (key) => wanted.indexOf(key);
  assert.ok(heard.every((key, i) => i === 0 || place(heard[i - 1]) < place(key)), "in order and once");
  // Within the life in which a client is, it misses nothing but what it was told of.
  for (const { name, key, life: its, number } of published) {
    if (name !== "a" || heard.includes(key)) continue;
    const told = gaps.some(({ reset, from, to, life, next }) =>
      reset ? life > its || (life === its && number < next) : life === its && from <= number && number <= to);
    assert.ok(told, `${key} is missing`);
  }
  for (const gap of gaps.filter(({ reset }) => !reset)) {
    assert.equal(gaps.filter(({ from, life }) => from === gap.from && life === gap.life).length, 1, "told once");
  }
  for (let one = 1; one <= life; one++) {
    assert.ok(gaps.filter((gap) => gap.reset && gap.life === one).length <= 1, "a reset is told once");
  }
  room.close();
}

test("whatever breaks, an event is heard once, in order, or lies in a gap", async () => {
  const first = Number(process.env.SEED ?? Math.floor(performance.now() * 1_000));
  for (let seed = first; seed < first + (process.env.SEED ? 1 : 300); seed++) {
    FakeSocket.sockets = [];
    await followsTheLog(seed).catch((error) => {
      error.message += ` (SEED=${seed})`;
      throw error;
    });
  }
});
