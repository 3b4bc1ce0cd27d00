// What client.js promises of publishing, and which refusals it takes for final.

import assert from "node:assert/strict";
import { test } from "node:test";

import { attempts, client, newest, openClient, rejection, tick } from "./client.testing.js";

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
