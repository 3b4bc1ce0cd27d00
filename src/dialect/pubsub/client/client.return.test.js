// What client.js promises of coming back: where it resumes, what it tells of gaps, when it notices and tries again.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { FakeSocket, attempts, client, newest, openClient, page, reconnect, tick, turn } from "./client.testing.js";

// --- Coming back ---

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

test("a heartbeat says how far everything was shown, and the client comes back from there", async () => {
  const { socket } = await openClient();
  socket.event(0).says({ action: "heartbeat", data: { next: 9 } }).says({ action: "heartbeat", data: { next: 4 } });
  socket.ends(1006);
  await tick(1_000);
  assert.equal(newest().url.searchParams.get("last_event"), "8");
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
