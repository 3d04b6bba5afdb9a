// Node as it comes: fetch, the https module and the http2 module.
import { createHash } from "node:crypto";
import { request } from "node:https";
import { connect } from "node:http2";

const base = "https://api.example.com:9443";
const told = (step, status, body) =>
  console.log(step, status, body.length, createHash("sha256").update(body).digest("hex"));
const body = Buffer.from("some bytes ".repeat(20_000));

for (const path of ["/text", "/large", "/none"]) {
  const answer = await fetch(base + path);
  told(`fetch ${path}`, answer.status, Buffer.from(await answer.arrayBuffer()));
}
const echoed = await fetch(`${base}/echo`, { method: "POST", body });
told("fetch echo", echoed.status, Buffer.from(await echoed.arrayBuffer()));

const collect = async (stream) => Buffer.concat(await stream.toArray());
await new Promise((done, failed) => {
  const call = request(`${base}/echo`, { method: "POST" }, async (answer) => {
    told("https echo", answer.statusCode, await collect(answer));
    done();
  });
  call.on("error", failed);
  call.end(body);
});

const session = connect(base);
const stream = session.request({ ":path": "/large" });
const status = await new Promise((done, failed) => {
  stream.on("response", (headers) => done(headers[":status"]));
  stream.on("error", failed);
  session.on("error", failed);
});
told("http2 /large", status, await collect(stream));
session.close();
process.exit(0);
