// One client of a room, driven by a test over its standard input and output.
//
//     follow.mjs URL EVENT_ID SESSION_ID NAME
//
// Writes what it is told, one JSON array a line: ["status","open"], ["event",data,number], ["gap",gap],
// ["error",code]. A line "cut" ends its connection as a network would; the end of the input ends the client.

import { createInterface } from "node:readline";

import { connect } from "../../../src/dialect/pubsub/client/client.js";

const [url, eventId, sessionId, name] = process.argv.slice(2);
let newest;

class Cuttable extends WebSocket {
  constructor(...given) {
    super(...given);
    newest = this;
  }
}

const say = (...told) => console.log(JSON.stringify(told));
const room = connect({ url, eventId, sessionId, WebSocket: Cuttable, backoff: { base: 50, cap: 400 } });
room.on("status", (status) => say("status", status));
room.on("gap", (gap) => say("gap", gap));
room.on("error", ({ code }) => say("error", code));
room.subscribe(name, (data, { number }) => say("event", data, number));

for await (const line of createInterface({ input: process.stdin })) {
  if (line === "cut") newest.close();
}
room.close();
