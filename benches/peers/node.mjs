// The peer in Node: holds the client, submits, polls at a fixed interval, answers. A worker on each
// core, connections to the gateway kept.
import cluster from "node:cluster";
import http from "node:http";
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

const [listen, upstream, interval] = process.argv.slice(2);
const [host, port] = listen.split(":");
const [gatewayHost, gatewayPort] = upstream.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 512 });

async function whole(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts.length === 1 ? parts[0] : Buffer.concat(parts);
}

function ask(method, path, headers, body) {
  return new Promise((resolve, reject) => {
    const options = { host: gatewayHost, port: gatewayPort, method, path, headers, agent };
    const request = http.request(options, (answer) => {
      whole(answer).then((bytes) => resolve({ status: answer.statusCode, bytes }), reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function hold(request, response) {
  const headers = { "content-type": "application/json" };
  if (request.headers.authorization) headers.authorization = request.headers.authorization;
  const body = await whole(request);
  const fields = { ...headers, "content-length": body.length };
  let answer = await ask(request.method, "/async" + request.url, fields, body);
  const ticket = JSON.parse(answer.bytes);
  if (ticket.status === "processing") {
    do {
      await sleep(Number(interval));
      answer = await ask("GET", "/async/result/" + ticket.request_id, headers);
    } while (JSON.parse(answer.bytes).status === "processing");
  }
  response.writeHead(answer.status, {
    "content-type": "application/json",
    "content-length": answer.bytes.length,
  });
  response.end(answer.bytes);
}

if (cluster.isPrimary) {
  for (let worker = 0; worker < availableParallelism(); worker += 1) cluster.fork();
} else {
  const server = http.createServer((request, response) => {
    hold(request, response).catch((error) => {
      console.error(error);
      if (response.headersSent) response.destroy();
      else response.writeHead(502).end(String(error));
    });
  });
  server.keepAliveTimeout = 300_000;
  server.requestTimeout = 0;
  server.listen({ host, port: Number(port), backlog: 4096 });
}
