// client.js against a real server, over a network that breaks: FANFARE_URL is a server in open mode, and
// FANFARE_CLOSED_URL one that wants tokens, of which FANFARE_TOKEN may only subscribe. What is not there is skipped.

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { afterEach, mock, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { connect } from "./client.js";

const { FANFARE_URL, FANFARE_CLOSED_URL, FANFARE_TOKEN } = process.env;
const OPEN = { skip: FANFARE_URL ? false : "no FANFARE_URL", timeout: 90_000 };
const CLOSED = { skip: FANFARE_CLOSED_URL ? false : "no FANFARE_CLOSED_URL", timeout: 90_000 };
/** Longer than anything here takes, shorter than anybody's patience. */
const DEADLINE_MS = 30_000;
/** So that a test does not wait for politeness towards a server that is its own. */
const backoff = { base: 50, cap: 400 };

const cleanups = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  mock.restoreAll();
});

async function until(holds, what) {
  const start = performance.now();
  while (!holds()) {
    assert.ok(performance.now() - start < DEADLINE_MS, `waited in vain until ${what()}`);
    await pause(10);
  }
}

const newRoom = () => ({ eventId: crypto.randomUUID(), sessionId: crypto.randomUUID() });

/** A client in a room with its books. */
function join(room, options = {}) {
  const client = connect({ url: FANFARE_URL, backoff, ...room, ...options });
  cleanups.push(() => client.close());
  const told = { status: [], gap: [], error: [] };
  for (const kind of ["status", "gap", "error"]) client.on(kind, (value) => told[kind].push(value));
  const heard = [];
  const numbers = [];
  client.subscribe("hello", (data, meta) => {
    heard.push(data.n ?? data);
    numbers.push(meta.number);
  });
  return { client, told, heard, numbers };
}
async function joined(room, options) {
  const one = join(room, options);
  await until(() => one.client.status === "open", () => `open, not ${one.told.status}: ${one.told.error}`);
  return one;
}
const hears = (one, count) => until(() => one.heard.length >= count, () => `${count} are heard: ${one.heard.length}`);

/** Publishes as a back end does. */
async function post({ eventId, sessionId }, data, eventName = "hello") {
  const scope = { type: "session", event_id: eventId, session_id: sessionId };
  const response = await fetch(new URL("/api/v1/publish", FANFARE_URL), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ scope, payload: { event: { eventName, data } } }),
  });
  assert.equal(response.status, 201, await response.clone().text());
  return response.json();
}

/** A network between client and server: it can be cut, closed for a while, or go silent. */
async function network({ heartbeatSeconds } = {}) {
  const { hostname, port } = new URL(FANFARE_URL);
  const pairs = new Set();
  const net_ = { accepted: 0, isSilent: false };
  const server = net.createServer((near) => {
    const far = net.connect(port, hostname);
    net_.accepted++;
    // One that is born silent stays without an answer.
    const pair = { near, far, isDead: false };
    pairs.add(pair);
    near.on("data", (bytes) => pair.isDead || far.write(bytes));
    far.on("data", (bytes) => pair.isDead || near.write(faster(bytes, heartbeatSeconds)));
    for (const [one, other] of [[near, far], [far, near]]) {
      one.on("error", () => {});
      one.on("close", () => {
        pairs.delete(pair);
        if (!pair.isDead) other.destroy();
      });
    }
  });
  const listen = async (at = 0) => {
    server.listen(at, "127.0.0.1");
    await once(server, "listening");
    return server.address().port;
  };
  const here = await listen();
  const cut = () => pairs.forEach(({ near, far }) => [near, far].map((socket) => socket.destroy()));
  cleanups.push(() => {
    cut();
    server.close();
  });
  return Object.assign(net_, {
    url: `http://127.0.0.1:${here}`,
    cut,
    /** Nothing that is connected now says or hears another word, and nobody is told. */
    silence: () => pairs.forEach((pair) => (pair.isDead = true)),
    down() {
      server.close();
      cut();
    },
    up: () => listen(here),
  });
}

/** The welcome promises a heartbeat sooner than the server will send one: nobody wants to wait 40 s. */
function faster(bytes, seconds) {
  const at = seconds ? bytes.indexOf('"heartbeat":25') : -1;
  if (at >= 0) bytes.write(String(seconds).padEnd(2), at + '"heartbeat":'.length);
  return bytes;
}

const upTo = (count, from = 0) => Array.from({ length: count }, (_, i) => i + from);

test("two clients talk", OPEN, async () => {
  const room = newRoom();
  const [one, two] = [await joined(room), await joined(room)];
  const metas = [];
  two.client.subscribe("say-hello", (data, meta) => metas.push([data, meta]));
  await one.client.publish("hello", { data: "before" });
  const published = await one.client.publish("say-hello", { data: { custom: "payload", ü: [1.5, null] } });
  await until(() => metas.length, () => "it is heard");
  assert.deepEqual(metas, [[{ custom: "payload", ü: [1.5, null] }, { ...published, eventName: "say-hello" }]]);
  assert.match(published.id, /^[0-9a-f]{8}-/);
  assert.equal(published.number, 1);
  await two.client.publish("hello", { data: "after" });
  await hears(one, 2);
  // The publisher hears itself.
  assert.deepEqual([one.heard, two.heard], [["before", "after"], ["before", "after"]]);
  assert.deepEqual([one.told.error, one.told.gap], [[], []]);
});

test("what is posted is heard, with its number", OPEN, async () => {
  const room = newRoom();
  const one = await joined(room);
  const { id, number } = await post(room, { n: 0 });
  await post(room, { n: 1 }, "other");
  await post(room, { n: 2 });
  await hears(one, 2);
  assert.ok(id);
  assert.deepEqual([one.heard, one.numbers], [[0, 2], [number, number + 2]]);
});

test("an event's and the organization's scope reach further than the room", OPEN, async () => {
  const room = newRoom();
  const sibling = { ...newRoom(), eventId: room.eventId };
  const [here, beside, elsewhere] = [await joined(room), await joined(sibling), await joined(newRoom())];
  const own = await here.client.publish("hello", { data: "session" });
  const wide = await here.client.publish("hello", { data: "event", scope: "event" });
  await here.client.publish("hello", { data: "organization", scope: "organization" });
  await Promise.all([hears(here, 3), hears(beside, 2), hears(elsewhere, 1)]);
  assert.deepEqual(here.heard, ["session", "event", "organization"]);
  assert.deepEqual(beside.heard, ["event", "organization"]);
  assert.deepEqual(elsewhere.heard, ["organization"]);
  assert.equal(typeof own.number, "number");
  assert.ok(!("number" in wide));
  const error = await here.client.publish("hello", { scope: "world" }).catch((reason) => reason);
  assert.ok(error.code && error instanceof Error);
});

test("who unsubscribed hears nothing, and who subscribes late hears from then on", OPEN, async () => {
  const room = newRoom();
  const one = await joined(room);
  const late = [];
  await post(room, { n: 0 }, "late");
  const off = one.client.subscribe("late", ({ n }) => late.push(n));
  // Publishing is answered after the subscription.
  await one.client.publish("hello", { data: 1 });
  await post(room, { n: 1 }, "late");
  await until(() => late.length, () => "it is heard");
  off();
  await one.client.publish("hello", { data: 2 });
  await post(room, { n: 2 }, "late");
  await one.client.publish("hello", { data: 3 });
  await hears(one, 3);
  assert.deepEqual(late, [1]);
});

test("a client without a name that subscribes later hears from then on", OPEN, async () => {
  const room = newRoom();
  const client = connect({ url: FANFARE_URL, ...room });
  cleanups.push(() => client.close());
  await until(() => client.status === "open", () => "it is open");
  await post(room, { n: 0 });
  const heard = [];
  client.subscribe("hello", ({ n }) => heard.push(n));
  await client.publish("hello", { data: { n: 1 } });
  await until(() => heard.length, () => "it is heard");
  assert.deepEqual(heard, [1]);
});

test("a name that the server refuses deafens nobody, now and later", OPEN, async () => {
  const room = newRoom();
  const wire = await network();
  const one = join(room, { url: wire.url });
  const details = [];
  one.client.on("error", ({ code, eventNames }) => details.push([code, eventNames]));
  const long = "x".repeat(1_025);
  for (const name of ["", long]) one.client.subscribe(name, () => assert.fail("it is heard"));
  await until(() => one.client.status === "open", () => "it is open");
  await one.client.publish("hello", { data: 0 });
  await hears(one, 1);
  assert.deepEqual(details, [["invalid", [""]], ["invalid", [long]]]);
  wire.down();
  await until(() => one.client.status !== "open", () => "the cut is noticed");
  one.client.subscribe("", () => {});
  await post(room, { n: 1 });
  await wire.up();
  await hears(one, 2);
  await one.client.publish("hello", { data: 2 });
  await hears(one, 3);
  assert.deepEqual([one.heard, details.length], [[0, 1, 2], 3]);
});

test("257 names are one too many, and the others are heard", OPEN, async () => {
  const one = join(newRoom());
  const details = [];
  one.client.on("error", ({ code, eventNames }) => details.push([code, eventNames]));
  for (let n = 1; n < 257; n++) one.client.subscribe(`n${n}`, () => {});
  await until(() => details.length, () => "one is refused");
  assert.deepEqual(details, [["too_many", ["n256"]]]);
  await one.client.publish("hello", { data: 0 });
  await hears(one, 1);
});

test("an effect that runs again loses nothing", OPEN, async () => {
  const room = newRoom();
  const one = await joined(room);
  const publisher = await joined(room);
  const heard = [];
  const effect = () => one.client.subscribe("effect", ({ n }) => heard.push(n));
  let off = effect();
  await one.client.publish("hello", { data: 0 });
  for (let n = 0; n < 300; n++) {
    const published = publisher.client.publish("effect", { data: { n } });
    for (let turn = n % 4; turn > 0; turn--) {
      off();
      off = effect();
      await null;
    }
    if (n % 10 === 0) await published;
  }
  await until(() => heard.at(-1) === 299, () => `all are heard: ${heard.length}`);
  assert.deepEqual([heard, one.told.gap], [upTo(300), []]);
});

test("who is added while away hears from the return on", OPEN, async () => {
  const room = newRoom();
  const wire = await network();
  const one = await joined(room, { url: wire.url });
  wire.down();
  await until(() => one.client.status !== "open", () => "the cut is noticed");
  for (let n = 0; n < 3; n++) await post(room, { n });
  await post(room, { n: 3 }, "other");
  const late = [];
  for (const name of ["hello", "other"]) one.client.subscribe(name, ({ n }) => late.push(n));
  await wire.up();
  await until(() => one.client.status === "open", () => "it is back");
  await post(room, { n: 4 });
  await post(room, { n: 5 }, "other");
  await until(() => late.at(-1) === 5, () => "the last is heard");
  assert.deepEqual([one.heard, late], [[0, 1, 2, 4], [4, 5]]);
});

test("what is too large is not sent, and what just fits is published", OPEN, async () => {
  const room = newRoom();
  const wire = await network();
  const one = await joined(room, { url: wire.url });
  const code = (promise) => promise.then(() => "published", (error) => error.code);
  const data = (bytes) => ({ data: "x".repeat(bytes) });
  const codes = await Promise.all([
    code(one.client.publish("hello", { data: "first" })),
    code(one.client.publish("large", data(1_100_000))),
    code(one.client.publish("large", data(1_048_576 - 80))),
    code(one.client.publish("hello", { data: "last" })),
  ]);
  assert.deepEqual(codes, ["published", "too_large", "published", "published"]);
  // A client that believes in more: only the one that was too large is lost.
  const other = await joined(room, { url: wire.url, limit: Infinity });
  const others = await Promise.all([
    code(other.client.publish("large", data(1_100_000))),
    code(other.client.publish("hello", { data: "behind" })),
  ]);
  assert.deepEqual([others, wire.accepted], [["too_large", "published"], 3]);
  await hears(one, 3);
  assert.deepEqual([one.heard, one.told.status], [["first", "last", "behind"], ["open"]]);
});

test("who is cut off comes back and misses nothing", OPEN, async () => {
  const room = newRoom();
  const wire = await network();
  const one = await joined(room, { url: wire.url });
  for (let n = 0; n < 5; n++) await post(room, { n });
  await hears(one, 5);
  wire.down();
  await until(() => one.client.status !== "open", () => "the cut is noticed");
  for (let n = 5; n < 60; n++) await post(room, { n });
  await wire.up();
  await hears(one, 60);
  await post(room, { n: 60 });
  await hears(one, 61);
  assert.deepEqual([one.heard, one.told.gap, one.told.error], [upTo(61), [], []]);
});

test("who is cut off before it heard anything misses nothing either", OPEN, async () => {
  for (const before of [0, 3]) {
    const room = newRoom();
    for (let n = 0; n < before; n++) await post(room, { n });
    const wire = await network();
    const one = await joined(room, { url: wire.url });
    wire.down();
    await until(() => one.client.status !== "open", () => "the cut is noticed");
    for (let n = before; n < before + 5; n++) await post(room, { n });
    await wire.up();
    await hears(one, 5);
    assert.deepEqual([one.heard, one.told.gap], [upTo(5, before), []]);
  }
});

test("cut at any moment, under load, everything is heard once and in order", OPEN, async () => {
  const room = newRoom();
  const wire = await network();
  const one = await joined(room, { url: wire.url });
  const publisher = await joined(room);
  let isDone = false;
  const cutting = (async () => {
    for (; !isDone; await pause(Math.random() * 150)) wire.cut();
  })();
  for (let batch = 0; batch < 100; batch++) {
    await Promise.all(upTo(20, batch * 20).map((n) => publisher.client.publish("hello", { data: { n } })));
    await pause(10);
  }
  isDone = true;
  await cutting;
  await hears(one, 2_000);
  await pause(100);
  assert.deepEqual([one.heard, one.told.gap, one.told.error], [upTo(2_000), [], []]);
  assert.ok(wire.accepted > 3, `${wire.accepted} connections`);
});

test("a network that goes silent is noticed by the heartbeat that does not come", OPEN, async () => {
  const room = newRoom();
  const wire = await network({ heartbeatSeconds: 2 });
  const one = await joined(room, { url: wire.url });
  wire.silence();
  for (let n = 0; n < 5; n++) await post(room, { n });
  await hears(one, 5);
  assert.deepEqual([one.heard, one.told.gap], [upTo(5), []]);
  assert.deepEqual(one.told.status.slice(0, 4), ["open", "waiting", "connecting", "open"]);
});

test("a computer that slept notices", OPEN, async () => {
  const room = newRoom();
  const wire = await network();
  const one = await joined(room, { url: wire.url });
  wire.silence();
  for (let n = 0; n < 5; n++) await post(room, { n });
  const now = Date.now;
  mock.method(Date, "now", () => now() + 3_600_000);
  await hears(one, 5);
  assert.deepEqual([one.heard, one.told.gap, wire.accepted], [upTo(5), [], 2]);
});

test("a server that is gone for a while is waited for", OPEN, async () => {
  const room = newRoom();
  const wire = await network();
  const one = await joined(room, { url: wire.url });
  wire.down();
  await until(() => one.client.status === "waiting", () => "it is noticed");
  const published = one.client.publish("hello", { data: { n: 0 } });
  await pause(2_000);
  assert.notEqual(one.client.status, "open");
  await wire.up();
  assert.equal((await published).number, 0);
  await hears(one, 1);
  assert.deepEqual([one.heard, one.told.error], [[0], []]);
});

test("what the log no longer has is told once", OPEN, async () => {
  const room = newRoom();
  const wire = await network();
  const one = await joined(room, { url: wire.url });
  const publisher = await joined(room);
  await publisher.client.publish("hello", { data: { n: 0 } });
  await hears(one, 1);
  wire.down();
  // More than the 10,000 that a log keeps by default.
  for (let batch = 0; batch < 102; batch++) {
    await Promise.all(upTo(100).map((n) => publisher.client.publish("hello", { data: { n: 1 + batch * 100 + n } })));
  }
  await wire.up();
  await until(() => one.heard.at(-1) === 10_200, () => `the last is heard, not ${one.heard.at(-1)}`);
  assert.equal(one.told.gap.length, 1);
  const { from, to } = one.told.gap[0];
  assert.equal(from, 1);
  assert.ok(to > 100 && to < 10_200);
  assert.deepEqual(one.heard, [0, ...upTo(10_200 - to, to + 1)]);
  wire.cut();
  await until(() => one.told.status.filter((status) => status === "open").length > 2, () => "it is back");
  await publisher.client.publish("hello", { data: { n: 10_201 } });
  await until(() => one.heard.at(-1) === 10_201, () => "it goes on");
  assert.equal(one.told.gap.length, 1);
});

test("a wrong address is tried again until the client is closed", OPEN, async () => {
  const wire = await network();
  wire.down();
  for (const url of [wire.url, new URL("/nothing/here", FANFARE_URL).href]) {
    const one = join(newRoom(), { url });
    await until(() => one.told.status.filter((status) => status === "waiting").length > 3, () => "it tries");
    const waiting = one.client.publish("hello").catch(({ code }) => code);
    one.client.close();
    const before = one.told.status.length;
    await pause(1_000);
    assert.deepEqual([one.client.status, one.told.status.length, await waiting], ["closed", before, "closed"]);
    assert.ok(!one.told.status.includes("open"));
  }
});

test("a session of another event is a final refusal", OPEN, async () => {
  const room = newRoom();
  await joined(room);
  const one = join({ ...room, eventId: crypto.randomUUID() });
  await until(() => one.client.status === "closed", () => `it is refused: ${one.told.status}`);
  assert.deepEqual(one.told.error.map(({ code }) => code), ["conflict"]);
});

const closed = (options) => join(newRoom(), { url: FANFARE_CLOSED_URL, ...options });

test("a refused token is not tried for ever", CLOSED, async () => {
  // Once as a subprotocol, once as a message.
  for (const token of ["not-a-token", "not a token"]) {
    const one = closed({ token });
    await until(() => one.client.status === "closed", () => `it is refused: ${one.told.status}`);
    assert.deepEqual(one.told.error.map(({ code }) => code), ["unauthorized"]);
  }
  let asked = 0;
  const one = closed({ token: async () => `not-a-token-${++asked}` });
  await until(() => one.client.status === "closed", () => `it is refused: ${one.told.status}`);
  assert.deepEqual([asked, one.told.error.length], [2, 1]);
});

test("a good token opens, also when it is the second that is asked for", CLOSED, async () => {
  let asked = 0;
  const tokens = [FANFARE_TOKEN, () => (asked++ ? FANFARE_TOKEN : "expired")];
  for (const token of tokens) {
    const one = closed({ token });
    await until(() => one.client.status === "open", () => `it is open: ${one.told.status} ${one.told.error}`);
    // This one may only subscribe; the socket lives on.
    const error = await one.client.publish("hello").catch((reason) => reason);
    assert.deepEqual([error.code, one.client.status, one.told.error], ["forbidden", "open", []]);
  }
});
