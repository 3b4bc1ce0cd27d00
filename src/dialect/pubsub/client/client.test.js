// What client.js promises while all goes well: where it connects to and as whom, what is heard, what it was and is.
// The real server is spoken to by client.e2e.test.js.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { mock, test } from "node:test";
import { promisify } from "node:util";

import { connect } from "./client.js";
import {
  FakeSocket,
  ROOM,
  attempts,
  client,
  newest,
  openClient,
  opened,
  page,
  reconnect,
  rejection,
  tick,
  turn,
} from "./client.testing.js";

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
  await turn();
  off();
  off();
  await turn();
  assert.equal(socket.asked("unsubscribe-event").length, 0);
  offToo();
  offToo();
  await turn();
  room.subscribe("c", () => {});
  await turn();
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
  await turn();
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
