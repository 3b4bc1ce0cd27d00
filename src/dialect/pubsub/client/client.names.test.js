// What client.js promises of names: what is asked of the server, what becomes of what it refuses, and since when a
// handler hears. What chance makes of all this together is tried by client.names.model.test.js.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { attempts, client, newest, openClient, reconnect, rejection, tick, turn } from "./client.testing.js";

const asked = (socket) => socket.sent.map(({ action, data }) => [action.split("-")[0], data.eventNames ?? data.eventName]);
/** Answers the last request about these names. */
function answer(socket, names, code) {
  const ref = socket.sent.findLast(({ data }) => String(data.eventNames ?? data.eventName) === String(names)).ref;
  socket.says(code ? { action: "error", ref, data: { code, message: code } } : { action: "subscribed", ref });
}
const silent = () => {};

// --- What is refused ---

test("a name that cannot be one costs itself only, is told by its name, and is not asked for again", async () => {
  const long = "é".repeat(513);
  const { room, told } = await client();
  const heard = [];
  room.subscribe("ok", (data) => heard.push(data));
  const offs = ["", long].map((name) => room.subscribe(name, silent));
  newest().welcome();
  assert.deepEqual(asked(newest()), [["subscribe", ["ok"]], ["subscribe", ""], ["subscribe", long]]);
  answer(newest(), ["ok"]);
  for (const name of ["", long]) answer(newest(), name, "invalid");
  assert.deepEqual(told.error.map(({ code, eventNames }) => [code, eventNames]), [["invalid", [""]], ["invalid", [long]]]);
  newest().event(0, "ok", 1);
  assert.deepEqual(heard, [1]);
  for (const off of offs) off();
  await turn();
  assert.equal(newest().sent.length, 3);
  await reconnect();
  newest().welcome(1);
  assert.deepEqual(asked(newest()), [["subscribe", ["ok"]]]);
  // Who wants it anew asks anew.
  room.subscribe("", silent);
  await turn();
  assert.deepEqual(asked(newest()).at(-1), ["subscribe", ""]);
});

test("more names than a server takes leave the first ones be", async () => {
  const { room, told } = await client();
  for (let n = 0; n < 258; n++) room.subscribe(`n${n}`, silent);
  newest().welcome();
  const [first, ...more] = asked(newest());
  assert.deepEqual([first[1].length, more], [256, [["subscribe", "n256"], ["subscribe", "n257"]]]);
  answer(newest(), "n256", "too_many");
  assert.deepEqual(told.error.map(({ eventNames }) => eventNames), [["n256"]]);
});

test("a list that is refused is asked for in pieces: what was confirmed together, and first", async () => {
  const { room, socket, told } = await openClient();
  answer(socket, ["a", "b"]);
  socket.ends(1006);
  for (const name of ["c", "bad"]) room.subscribe(name, silent);
  await tick(30_000);
  newest().welcome();
  answer(newest(), ["a", "b", "c", "bad"], "invalid");
  const pieces = [["subscribe", ["a", "b"]], ["subscribe", "c"], ["subscribe", "bad"], ["unsubscribe", "none"]];
  assert.deepEqual(asked(newest()).slice(1), pieces);
  assert.deepEqual(told.error, []);
  answer(newest(), ["a", "b"]);
  answer(newest(), "c");
  answer(newest(), "bad", "invalid");
  assert.deepEqual(told.error.map(({ eventNames }) => eventNames), [["bad"]]);
  // What was confirmed stays so over a refusal that the next connection cut short.
  await reconnect();
  newest().welcome();
  assert.deepEqual(asked(newest()), [["subscribe", ["a", "b", "c"]]]);
  answer(newest(), ["a", "b", "c"], "invalid");
  answer(newest(), ["a", "b", "c"], "invalid");
  assert.deepEqual(asked(newest()).slice(-4).map(([, names]) => names), ["a", "b", "c", "none"]);
});

test("an event may have the name of none", async () => {
  const { room } = await client();
  for (const name of ["none", "bad"]) room.subscribe(name, silent);
  newest().welcome();
  answer(newest(), ["none", "bad"], "invalid");
  assert.deepEqual(asked(newest()).slice(1), [["subscribe", "none"], ["subscribe", "bad"]]);
});

test("a client that may not subscribe is told once, of all names", async () => {
  const { told, socket } = await openClient();
  answer(socket, ["a", "b"], "forbidden");
  assert.deepEqual(told.error.map(({ code, eventNames }) => [code, eventNames]), [["forbidden", ["a", "b"]]]);
  for (let again = 0; again < 2; again++) {
    await reconnect();
    newest().welcome();
    if (!again) answer(newest(), "none", "forbidden");
    else assert.deepEqual(newest().sent, []);
  }
  assert.equal(told.error.length, 2);
});

test("the refusal of a name that was left meanwhile is nobody's", async () => {
  const { room, socket, told } = await openClient();
  const off = room.subscribe("bad", silent);
  await turn();
  off();
  await turn();
  assert.deepEqual(asked(socket).slice(1), [["subscribe", "bad"], ["unsubscribe", "bad"]]);
  const [, { ref }, { ref: later }] = socket.sent;
  for (const one of [ref, later]) socket.says({ action: "error", ref: one, data: { code: "invalid", message: "" } });
  assert.deepEqual(told.error, []);
  // It does not keep the client from leaving others.
  room.subscribe("c", silent)();
  const again = room.subscribe("d", silent);
  await turn();
  again();
  await turn();
  assert.deepEqual(asked(socket).slice(3), [["subscribe", "d"], ["unsubscribe", "d"]]);
});

test("an error without a ref, or with one of another connection, is told and harms nothing", async () => {
  const { room, socket, told } = await openClient();
  const published = rejection(room.publish("x"));
  const { ref } = socket.sent.at(-1);
  await reconnect();
  assert.equal((await published).code, "unknown");
  newest().welcome();
  for (const stray of [ref, undefined, "toString", null]) {
    newest().says({ action: "error", ref: stray, data: { code: "invalid", message: "" } });
    newest().says({ action: "published", ref: stray, data: {} });
  }
  assert.deepEqual([room.status, told.error.length], ["open", 4]);
});

// --- What is asked ---

test("what changes in one tick is asked as its net difference", async () => {
  const { room, socket } = await openClient();
  room.subscribe("c", silent)();
  let off = room.subscribe("d", silent);
  for (let n = 0; n < 3; n++) {
    off();
    off = room.subscribe("d", silent);
  }
  await turn();
  assert.deepEqual(asked(socket).slice(1), [["subscribe", "d"]]);
  off();
  off = room.subscribe("d", silent);
  await turn();
  assert.equal(socket.sent.length, 2);
  // What is left goes first, so that there is room for what is new.
  off();
  room.subscribe("e", silent);
  await turn();
  assert.deepEqual(asked(socket).slice(2), [["unsubscribe", "d"], ["subscribe", "e"]]);
});

test("an effect that runs again loses nothing, connected or not, and has its refusal", async () => {
  const { room, socket, told } = await openClient();
  const heard = [];
  let off = room.subscribe("c", (data) => heard.push(data));
  const again = () => {
    off();
    off = room.subscribe("c", (data) => heard.push(data));
  };
  await turn();
  answer(socket, "c");
  again();
  socket.event(0, "c", 0);
  socket.ends(1006);
  again();
  await tick(30_000);
  again();
  newest().welcome(3);
  newest().event(1, "c", 1);
  again();
  newest().event(2, "c", 2);
  assert.deepEqual([heard, told.gap], [[0, 1, 2], []]);
  answer(newest(), ["a", "b", "c"], "too_many");
  again();
  answer(newest(), ["c"], "too_many");
  assert.deepEqual(told.error.map(({ eventNames }) => eventNames), [["c"]]);
});

test("who subscribes and publishes in one tick hears itself", async () => {
  const { room, socket } = await openClient();
  room.subscribe("c", silent);
  rejection(room.publish("c"));
  await turn();
  assert.deepEqual(asked(socket).slice(1), [["subscribe", "c"], ["publish", "c"]]);
});

test("names of all kinds are names", async () => {
  const { room } = await client();
  const heard = [];
  const names = ["__proto__", "constructor", "toString", "ünï", "\ud800", " "];
  for (const name of names) room.subscribe(name, (data, { eventName }) => heard.push(eventName));
  newest().welcome();
  assert.deepEqual(asked(newest()), [["subscribe", names]]);
  names.forEach((name, number) => newest().event(number, name));
  assert.deepEqual(heard, names);
  assert.throws(() => room.subscribe(Symbol("x"), silent), TypeError);
});

// --- Since when ---

test("who is added while away hears from the welcome on, and the others what they missed", async () => {
  const { room, socket, heard } = await openClient();
  const late = [];
  socket.event(0).ends(1006);
  room.subscribe("a", (data, { number }) => late.push(number));
  room.subscribe("c", (data, { number }) => late.push(number));
  await tick(30_000);
  newest().welcome(4).event(1).event(2, "c").event(3).event(4).event(5, "c");
  assert.deepEqual([heard, late], [[0, 1, 3, 4], [4, 5]]);
  // What is missed from now on is replayed to all of them.
  await reconnect();
  newest().welcome(8).event(6).event(7, "c");
  assert.deepEqual([heard, late], [[0, 1, 3, 4, 6], [4, 5, 6, 7]]);
});

test("who is added while others catch up does not hear what they missed", async () => {
  const { room, heard } = await openClient();
  await reconnect();
  newest().welcome(3).event(0);
  const late = [];
  room.subscribe("a", (data, { number }) => late.push(number));
  newest().event(1).event(2).event(3);
  newest().says({ action: "heartbeat", data: { next: 9 } });
  room.subscribe("a", (data, { number }) => late.push(`later ${number}`));
  newest().event(8).event(9);
  assert.deepEqual([heard, late], [[0, 1, 2, 3, 8, 9], [3, 8, 9, "later 9"]]);
});

test("in a new life of the log, too, and the others hear it from its beginning", async () => {
  const { room, socket, heard } = await openClient({}, 50);
  socket.event(50).ends(1006);
  const late = [];
  room.subscribe("a", (data, { number }) => late.push(number));
  await tick(30_000);
  newest().welcome(2, "E2").event(0, "a", {}, "x").event(1, "a", {}, "y").event(2, "a", {}, "z");
  assert.deepEqual([heard, late], [[50, 0, 1, 2], [2]]);
});

test("the same function twice is two handlers", async () => {
  const { room, socket } = await openClient();
  const heard = [];
  const handler = (data, { number }) => heard.push(number);
  const offs = [room.subscribe("a", handler), room.subscribe("a", handler)];
  socket.event(0);
  offs[0]();
  offs[0]();
  socket.event(1);
  assert.deepEqual(heard, [0, 0, 1]);
});

// --- The end ---

test("once a handler has closed the room the others hear nothing", async () => {
  for (const kind of ["event", "status", "gap", "error"]) {
    const { room, told } = await client();
    const heard = [];
    const closes = () => room.close();
    const [add] = kind === "event" ? [(handler) => room.subscribe("a", handler)] : [(handler) => room.on(kind, handler)];
    room.on("error", silent);
    add(closes);
    add((value) => heard.push(value));
    const socket = newest().welcome();
    if (kind !== "status") socket.event(0).says({ action: "gap", data: { from: 1, to: 2 } }).says("{");
    assert.deepEqual(heard, kind === "status" ? ["closed"] : [], kind);
    assert.equal(told.status.at(-1), "closed");
  }
});

test("a room that is closed while it connects does not ask for a token", async () => {
  let count = 0;
  const { room } = await client({ token: () => `t${++count}` });
  newest().ends(1006);
  const off = room.on("status", (status) => status === "connecting" && room.close());
  await tick(30_000);
  assert.deepEqual([count, attempts(), room.status], [1, 1, "closed"]);
  off();
});

// --- What is too large ---

test("a message that is too large is refused before anything is sent", async () => {
  const { room, socket, told } = await openClient();
  for (const [limit, fits] of [[1_048_576, 1_048_576 - 74], [undefined, 1_048_576 - 74]]) {
    const { room } = await openClient({ limit });
    const { sent } = newest();
    const before = sent.length;
    assert.equal((await rejection(room.publish("x", { data: "é".repeat(600_000) }))).code, "too_large");
    assert.equal((await rejection(room.publish("x", { data: "x".repeat(1_048_576) }))).code, "too_large");
    assert.equal(sent.length, before);
    rejection(room.publish("x", { data: "x".repeat(fits) }));
    assert.equal(sent.length, before + 1);
    assert.ok(Buffer.byteLength(JSON.stringify(sent.at(-1))) <= 1_048_576);
  }
  // A name, too: it would end every connection.
  room.subscribe("x".repeat(1_100_000), silent);
  await turn();
  assert.deepEqual([told.error.map(({ code }) => code), socket.sent.length], [["too_large"], 1]);
});

test("a server that takes less ends the one that was too large, and spares those behind it", async () => {
  const { room, socket } = await openClient();
  const publish = (name, bytes) => {
    const outcome = {};
    room.publish(name, { data: "x".repeat(bytes) }).then(
      (published) => (outcome.is = published.id),
      ({ code }) => (outcome.is = code),
    );
    return outcome;
  };
  const outcomes = [publish("1", 10), publish("2", 5_000), publish("3", 60_000), publish("4", 20), publish("5", 60_000)];
  socket.ends(1009);
  await turn();
  assert.deepEqual(outcomes.map(({ is }) => is), ["unknown", "unknown", "too_large", undefined, undefined]);
  await tick(1_000);
  newest().welcome();
  const again = newest().asked("publish-event");
  assert.deepEqual(again.map(({ data }) => data.eventName), ["4", "5"]);
  for (const { ref } of again) newest().says({ action: "published", ref, data: { id: `id-${ref}` } });
  await turn();
  assert.ok(outcomes.slice(3).every(({ is }) => /^id-/.test(is)));
  // It is remembered.
  assert.equal((await rejection(room.publish("3", { data: "x".repeat(60_000) }))).code, "too_large");
  // What is short cannot have been too long.
  const short = rejection(room.publish("6"));
  newest().ends(1009);
  assert.equal((await short).code, "unknown");
  await tick(1_000);
  newest().welcome();
  rejection(room.publish("7"));
  assert.equal(newest().sent.at(-1).data.eventName, "7");
});

test("an answer that comes too late for its promise is not an error", async () => {
  const { room, socket, told } = await openClient();
  const error = rejection(room.publish("x"));
  const { ref } = socket.sent.at(-1);
  await tick(10_000);
  assert.equal((await error).code, "unknown");
  socket.says({ action: "error", ref, data: { code: "busy", message: "late" } });
  assert.deepEqual(told.error, []);
  mock.restoreAll();
});
