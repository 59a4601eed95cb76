// SPDX-License-Identifier: Apache-2.0
// A chat completions endpoint that speaks HTTP/2 over TLS and nothing else: node http2.js KEY CERT; prints its port, then a line a question.
"use strict";
const http2 = require("node:http2");
const fs = require("node:fs");

const [key, cert] = process.argv.slice(2).map((path) => fs.readFileSync(path));
const server = http2.createSecureServer({ key, cert, allowHTTP1: false });
server.on("stream", (stream, headers) => {
  let body = "";
  stream.on("data", (piece) => (body += piece));
  stream.on("end", () => {
    const asked = JSON.parse(body).messages.at(-1).content;
    console.log(JSON.stringify({ path: headers[":path"], key: headers.authorization }));
    const choice = { index: 0, message: { role: "assistant", content: `${asked}!` }, finish_reason: "stop" };
    stream.respond({ ":status": 200, "content-type": "application/json" });
    stream.end(JSON.stringify({ choices: [choice], usage: { prompt_tokens: 1, completion_tokens: 1 } }));
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
