// Names come and go at random, in a room whose server refuses some of them, whose network breaks at any moment and
// whose handlers do what handlers do; and a model of what each of them must have heard.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { FakeSocket, client, newest, random, seeds, tick, turn } from "./client.testing.js";

/** The names that are used, those that the server refuses, and how many it takes for one connection. */
const AS_IT_IS = { names: ["a", "b", "c", "d"], refused: ["", "é".repeat(513)], namesMax: 256 };
/** A server that has rules of which the client knows nothing. */
const STRANGE = { names: ["a", "b", "c", "d"], refused: ["", "bad"], namesMax: 3 };
/** Longest message, in bytes: less than the client believes. */
const BYTES_MAX = 6_000;

/** A connection, as the server has it: what came and was not looked at, and what was said and did not arrive. */
class Connection extends FakeSocket {
  inbound = [];
  outbound = [];
  wanted = new Set();
  waits = true;
  position = 0;
  /** By name: the last request about it, and the last that was carried out. */
  lastAsked = new Map();
  lastDone = new Map();
  send(text) {
    super.send(text);
    if (this.readyState !== 1) return;
    const message = JSON.parse(text);
    this.inbound.push({ message, bytes: text.length });
    for (const name of namesOf(message)) this.lastAsked.set(name, message);
  }
}

function namesOf({ action, data }) {
  return /subscribe/.test(action) ? (data.eventNames ?? [data.eventName]) : [];
}

/** The server's side: a bounded log that may begin anew. */
class Server {
  constructor(rules) {
    Object.assign(this, { ...rules, life: 0, log: [], oldest: 0, published: [] });
  }
  get next() {
    return this.log.length;
  }
  append(eventName, key) {
    const event = { eventName, key, life: this.life, number: this.next };
    this.log.push(event);
    this.published.push(event);
    return event;
  }
  accept(socket) {
    const query = socket.url.searchParams;
    socket.welcome(this.next, `life-${this.life}`);
    socket.position = this.next;
    if (!query.has("last_event")) return;
    const wanted = Number(query.get("last_event")) + 1;
    const reset = query.get("epoch") !== `life-${this.life}` || wanted > this.next;
    if (reset) socket.outbound.push({ action: "gap", data: { reset: true } });
    socket.position = reset ? this.oldest : wanted;
  }
  /** Says what of the log is wanted. */
  pull(socket) {
    if (socket.waits) return;
    if (socket.position < this.oldest) {
      socket.outbound.push({ action: "gap", data: { from: socket.position, to: this.oldest - 1 } });
      socket.position = this.oldest;
    }
    for (; socket.position < this.next; socket.position++) {
      const { eventName, key, life, number } = this.log[socket.position];
      if (!socket.wanted.has(eventName)) continue;
      socket.outbound.push({ eventName, data: { key, life, number }, id: `${life}-${number}`, number });
    }
  }
  /** Serves the oldest request. */
  serve(socket) {
    const { message, bytes } = socket.inbound.shift();
    if (bytes > BYTES_MAX) {
      this.flush(socket);
      if (socket.readyState < 2) socket.ends(1009);
      return;
    }
    const { action, data, ref } = message;
    const refuse = (code) => socket.outbound.push({ action: "error", ref, data: { code, message: code } });
    const names = namesOf(message);
    this.pull(socket);
    if (action === "publish-event") {
      if (this.refused.includes(data.eventName)) return refuse("invalid");
      const { life, number } = this.append(data.eventName, data.data.key);
      socket.waits = false;
      socket.outbound.push({ action: "published", ref, data: { id: `${life}-${number}`, number } });
    } else if (action === "subscribe-event") {
      if (names.some((name) => this.refused.includes(name))) return refuse("invalid");
      const all = new Set([...socket.wanted, ...names]);
      if (all.size > this.namesMax) return refuse("too_many");
      Object.assign(socket, { wanted: all, waits: false });
      socket.outbound.push({ action: "subscribed", ref, done: message });
    } else {
      if (names.some((name) => this.refused.includes(name))) return refuse("invalid");
      for (const name of names) socket.wanted.delete(name);
      socket.waits = false;
      socket.outbound.push({ action: "unsubscribed", ref, done: message });
    }
  }
  /** One thing that was said arrives. */
  arrive(socket) {
    const { done, ...message } = socket.outbound.shift();
    for (const name of done ? namesOf(done) : []) socket.lastDone.set(name, done);
    socket.says(message);
  }
  flush(socket) {
    while (socket.outbound.length && socket.readyState === 1) this.arrive(socket);
  }
  restart() {
    Object.assign(this, { life: this.life + 1, log: [], oldest: 0 });
  }
}

/** A run of a room, with what its page did and was told. */
class Run {
  static async start(seed, rules) {
    const run = new Run();
    run.chance = random(seed);
    run.server = new Server(rules);
    run.names = [...rules.names, ...rules.refused];
    const { room } = await client({ WebSocket: Connection, queue: 8 });
    Object.assign(run, { room, handlers: [], gaps: [], errors: [], publishes: [], step: 0, keys: 0, isClosed: false });
    run.offAt = new Map();
    room.on("gap", (gap) => run.gaps.push({ ...gap, life: run.server.life, next: run.server.next }));
    room.on("error", (error) => run.judging(() => run.refused(error)));
    return run;
  }

  /** What handlers throw is reported by the client; what they find wrong ends the run. */
  judging(check) {
    try {
      check();
    } catch (error) {
      this.failed ??= error;
    }
  }
  get socket() {
    return newest();
  }
  get isConnected() {
    return this.room.status === "open" && this.socket.readyState === 1;
  }
  living(name) {
    return this.handlers.filter((one) => one.lives && (name === undefined || one.name === name));
  }
  pick(list) {
    return list[this.chance(list.length)];
  }

  // --- What the page does ---

  subscribe(name, former) {
    const one = { name, lives: true, heard: [], addedOpen: this.room.status === "open" };
    // Who takes another's place in the same tick goes on with its book.
    const inherits = former ?? this.offAt.get(name)?.one;
    if (former) Object.assign(one, { heard: former.heard, start: former.start, min: former.min });
    else if (inherits && this.offAt.get(name).step === this.step) one.isFree = true;
    else if (one.addedOpen) one.min = { life: this.welcomed?.life, number: this.welcomed?.next };
    else one.isAway = true;
    one.off = this.room.subscribe(name, (data, meta) => this.hear(one, data, meta));
    this.handlers.push(one);
    return one;
  }
  off(one) {
    one.lives = false;
    this.offAt.set(one.name, { step: this.step, one });
    one.off();
    if (this.chance(4) === 0) one.off();
  }
  hear(one, event, meta) {
    this.judging(() => this.heard(one, event, meta));
    this.react(one);
  }
  heard(one, { key, life, number }, meta) {
    assert.ok(!this.isClosed, "nothing is heard after close");
    assert.ok(one.lives, `${one.name} is heard after it was left`);
    assert.equal(meta.eventName, one.name);
    const before = one.heard.at(-1);
    const ascends = !before || before.life < life || (before.life === life && before.number < number);
    assert.ok(ascends, `${one.name}: ${life}:${number} after ${before?.life}:${before?.number}`);
    const { min } = one;
    const isOld = min && min.life === life && number < min.number;
    assert.ok(!isOld, `${one.name} hears ${life}:${number}, from before it was added at ${min?.life}:${min?.number}`);
    one.heard.push({ key, life, number });
  }
  react(one) {
    switch (this.chance(24)) {
      case 0:
        return this.off(one);
      case 1: {
        const other = this.pick(this.living());
        return this.off(other);
      }
      case 2:
        return this.subscribe(this.pick(this.names));
      case 3:
        throw new Error("a handler's own");
      case 4:
        this.off(one);
        return this.subscribe(one.name, one);
      case 5:
        if (this.chance(8)) return;
        this.close();
    }
  }
  close() {
    this.isClosed = true;
    this.room.close();
  }
  publish() {
    const key = `p${this.keys++}`;
    const isLong = this.chance(4) === 0;
    const filler = "x".repeat(isLong ? 5_000 + this.chance(3_000) : 10);
    const one = { key, outcomes: [] };
    this.publishes.push(one);
    const promise = this.room.publish(this.pick(this.names), { data: { key, filler } });
    promise.then(
      () => one.outcomes.push("published"),
      ({ code }) => one.outcomes.push(code),
    );
  }
  /** What the server does not take is told by its name, once, and nobody asks for it again. */
  refused(error) {
    assert.ok(["invalid", "too_many"].includes(error.code), error.message);
    assert.equal(error.eventNames.length, 1);
    const [name] = error.eventNames;
    assert.ok(this.living(name).length, `${name} was not wanted any more`);
    for (const one of this.living(name)) {
      one.lives = false;
      // Does nothing.
      one.off();
    }
    this.errors.push({ name, refusedAt: this.socket.sent.length, socket: this.socket });
  }

  // --- What is so after each step ---

  async settle() {
    await turn();
    this.step++;
    if (this.failed) throw this.failed;
    const { socket, server } = this;
    if (this.room.status === "open" && this.welcomed?.socket !== socket) throw new Error("not welcomed");
    // No name is both left and asked for in one tick.
    const said = socket.sent.slice(socket.judged ?? 0);
    socket.judged = socket.sent.length;
    const names = said.filter(({ data }) => data.eventName && !data.data).flatMap(namesOf);
    assert.equal(new Set(names).size, names.length, `asked twice in one tick: ${names}`);
    for (const { name, socket: its, refusedAt, isOver } of this.errors) {
      if (isOver || this.living(name).length) continue;
      const later = its.sent.slice(refusedAt).filter(({ action }) => action === "subscribe-event");
      assert.ok(!later.some((message) => namesOf(message).includes(name)), `${name} is asked for again`);
    }
    for (const one of this.living()) {
      for (const error of this.errors) if (error.name === one.name) error.isOver = true;
      if (one.start || !this.isConnected) continue;
      const last = socket.lastAsked.get(one.name);
      const isHeard = last?.action === "subscribe-event" && socket.lastDone.get(one.name) === last;
      if (isHeard) one.start = { life: server.life, number: server.next };
    }
  }

  accept() {
    const { socket, server } = this;
    if (socket.readyState !== 0 || this.isClosed) return;
    this.welcomed = { life: server.life, next: server.next, socket };
    for (const one of this.living()) {
      if (!one.isAway) continue;
      one.isAway = false;
      one.min = { life: server.life, number: server.next };
    }
    server.accept(socket);
  }

  // --- Chance ---

  async one() {
    const { socket, server } = this;
    switch (this.chance(16)) {
      case 0:
        if (socket.readyState < 2) socket.ends(this.pick([1006, 1001, 1013]));
        break;
      case 1:
      case 2:
        this.accept();
        break;
      case 3:
        await tick(this.pick([1_000, 5_000, 11_000]));
        break;
      case 4:
        if (this.chance(4)) break;
        if (socket.readyState < 2) socket.ends(1001);
        server.restart();
        break;
      case 5:
        server.oldest = Math.min(server.next, server.oldest + this.chance(3));
        break;
      case 6:
      case 7:
        for (let n = this.chance(4); n >= 0; n--) this.subscribe(this.pick(this.names));
        break;
      case 8: {
        const one = this.pick(this.living());
        if (one) this.off(one);
        break;
      }
      case 9: {
        // As an effect does that runs again.
        const one = this.pick(this.living());
        if (!one) break;
        this.off(one);
        this.subscribe(one.name, one);
        break;
      }
      case 10:
        this.publish();
        break;
      case 11:
        for (let n = this.chance(4); n > 0; n--) server.append(this.pick(server.names), `s${this.keys++}`);
        break;
      default:
        this.network(this.chance(6));
    }
    await this.settle();
  }

  /** Lets the server read, and what it says arrive. */
  network(most) {
    const { socket, server } = this;
    for (; most > 0 && socket.readyState === 1; most--) {
      if (this.chance(2) && socket.inbound.length) server.serve(socket);
      else if (socket.outbound.length) server.arrive(socket);
      else {
        server.pull(socket);
        const { position } = socket;
        if (!socket.waits && this.chance(3) === 0) socket.outbound.push({ action: "heartbeat", data: { next: position } });
      }
    }
  }

  /** Everything that was asked is answered, and everything that was said arrives. */
  async rest() {
    for (let round = 0; round < 400; round++) {
      const { socket, server } = this;
      if (this.isClosed) return;
      this.accept();
      if (socket.readyState === 1) server.pull(socket);
      if (socket.readyState === 1 && socket.inbound.length) server.serve(socket);
      if (socket.readyState === 1) server.flush(socket);
      await this.settle();
      const isQuiet = this.isConnected && !this.socket.inbound.length && !this.socket.outbound.length;
      if (isQuiet && this.socket.position === server.next) return;
      if (!this.isConnected) await tick(1_000);
    }
    assert.fail("it never comes to rest");
  }

  // --- What must be so at the end ---

  async judge() {
    await this.rest();
    if (!this.isClosed) {
      const wanted = [...new Set(this.living().map(({ name }) => name))].sort();
      assert.deepEqual([...this.socket.wanted].sort(), wanted, "what the server shows is what is wanted");
      for (const one of this.living()) this.missesNothing(one);
      this.close();
    }
    const before = FakeSocket.sockets.length;
    await tick(60_000);
    assert.equal(FakeSocket.sockets.length, before, "a closed room does not connect");
    for (const { key, outcomes } of this.publishes) {
      assert.equal(outcomes.length, 1, `${key} is settled ${outcomes}`);
      const count = this.server.published.filter((event) => event.key === key).length;
      const most = ["published", "unknown"].includes(outcomes[0]) ? 1 : 0;
      const least = outcomes[0] === "published" ? 1 : 0;
      assert.ok(least <= count && count <= most, `${key} is ${outcomes} and published ${count} times`);
    }
  }
  missesNothing({ name, start, heard }) {
    assert.ok(start, `${name} is not heard at all`);
    // What is published before a list that was refused is asked for in pieces is lost to these.
    if (this.server.namesMax === STRANGE.namesMax) return;
    for (const { eventName, key, life: its, number } of this.server.published) {
      if (eventName !== name || its < start.life || (its === start.life && number < start.number)) continue;
      const told = this.gaps.some(({ reset, from, to, life, next }) =>
        reset ? life > its || (life === its && number < next) : life === its && from <= number && number <= to);
      assert.ok(told || heard.some((one) => one.key === key), `${name} misses ${its}:${number}`);
    }
  }
}

for (const [whose, rules] of Object.entries({ "the server's": AS_IT_IS, "a strange server's": STRANGE })) {
  test(`whatever names do and whatever breaks, each handler hears what is its own: ${whose} rules`, async () => {
    mock.method(console, "error", () => {});
    await seeds(250, async (seed) => {
      const run = await Run.start(seed, rules);
      for (let step = 0; step < 80 && !run.isClosed; step++) await run.one();
      await run.judge();
    });
  });
}
