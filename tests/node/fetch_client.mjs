// Node's own fetch. It knows HTTPS_PROXY only where NODE_USE_ENV_PROXY=1 is set, which `egret ca env` does.

import { createHash } from "node:crypto";

const NOT_END_TO_END = new Set([
  "connection", "content-encoding", "content-length", "date", "keep-alive", "transfer-encoding", "vary",
]);
const base = process.env.BASE;

async function step(name, path, options = {}) {
  const answer = await fetch(base + path, options);
  const body = Buffer.from(await answer.arrayBuffer());
  const headers = [...answer.headers].filter(([name]) => !NOT_END_TO_END.has(name));
  const sha256 = createHash("sha256").update(body).digest("hex");
  console.log(JSON.stringify({ step: name, status: answer.status, headers, bytes: body.length, sha256 }));
}

await step("text", "/text");
for (const coding of ["gzip", "deflate", "br"]) await step(coding, `/coded/${coding}`);
for (const code of [204, 404, 500]) await step(`status ${code}`, `/status/${code}`);
await step("head", "/bytes/1000", { method: "HEAD" });
await step("json", "/reflect", {
  method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ deep: [{ a: "Zürich" }] }),
});
await step("upload", "/upload", { method: "POST", body: Buffer.alloc(2_000_000, "\x00\xff") });
const chunks = new ReadableStream({
  start(controller) {
    for (let n = 0; n < 50; n += 1) controller.enqueue(Buffer.from(`piece ${n}\n`.repeat(100)));
    controller.close();
  },
});
await step("chunked upload", "/upload", { method: "POST", body: chunks, duplex: "half" });
await step("download", "/bytes/3000000");
await step("ticks", "/ticks?n=5");
