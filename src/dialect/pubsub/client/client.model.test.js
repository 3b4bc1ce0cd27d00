// A room whose connections break at any moment, followed by client.js and by a model of what it must have heard.

import assert from "node:assert/strict";
import { test } from "node:test";

import { FakeSocket, client, newest, random, seeds, tick } from "./client.testing.js";

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
        if (newest().readyState !== 1) break;
        flush(chance(6));
        if (chance(2)) newest().says({ action: "heartbeat", data: { next: position } });
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

test("whatever breaks, an event is heard once, in order, or lies in a gap", () => seeds(300, followsTheLog));
