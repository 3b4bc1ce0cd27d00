// Fan-out over WebSockets as node and ws do it: POST /publish goes to everyone on GET /ws.
//
// What was published in one turn of the event loop is sent in one write to each socket (`cork`), as a buffer that nobody
// encodes again, without compression. Keep-alive connections are never closed.
"use strict";

const http = require("node:http");
const { WebSocketServer } = require("ws");

let waiting = [];
const sockets = new Map();

function flush() {
  const events = waiting;
  waiting = [];
  for (const [client, socket] of sockets) {
    socket.cork();
    for (const event of events) {
      client.send(event, { binary: false });
    }
    socket.uncork();
  }
}

function publish(event) {
  if (waiting.length === 0) {
    setImmediate(flush);
  }
  waiting.push(event);
}

const server = http.createServer((request, response) => {
  if (request.method !== "POST" || request.url !== "/publish") {
    response.writeHead(404).end();
    return;
  }
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    publish(parts.length === 1 ? parts[0] : Buffer.concat(parts));
    response.writeHead(200, { "Content-Length": 0 }).end();
  });
});
server.keepAliveTimeout = 0;
server.headersTimeout = 0;
server.requestTimeout = 0;

const options = { server, path: "/ws", perMessageDeflate: false };
new WebSocketServer(options).on("connection", (client, request) => {
  sockets.set(client, request.socket);
  client.on("close", () => sockets.delete(client));
  // A client that breaks off is closed next.
  client.on("error", () => {});
});

server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
  const { address, port } = server.address();
  const versions = `node ${process.version}, ws ${require("ws/package.json").version}`;
  console.log(`fanfare-node listening on ${address}:${port} (${versions})`);
});
process.on("SIGTERM", () => process.exit(0));
