// SPDX-License-Identifier: Apache-2.0
// The second verifier, asked as often as one likes: node second_answers.mjs VERIFIER, a case a line on its input.
// A case is JSON [exchange, plan, edits]; edits are {path: base64 of its new bytes, or null for "not there"}, or null, and then
// the folder is read again. The answer is a line of JSON [exit, step, rule, place, result.json without limits, as text, or null,
// withheld files: [kind, path, digest, the parties for whom it lies here]].
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { filesOf, second } = await import(pathToFileURL(`${process.argv[2]}/verify.mjs`)), { encode, verify } = second("encode, verify");
// The same SHA-256 at once: for small texts the way through WebCrypto's threads costs more than the digest. verify.mjs itself goes it.
Object.defineProperty(crypto.subtle, "digest", { value: async (_, raw) => createHash("sha256").update(raw).digest() });
let read = null, files = new Map();
for await (const line of createInterface({ input: process.stdin })) {
  const [exchange, plan, edits] = JSON.parse(line);
  if (edits === null || read !== exchange) [read, files] = [exchange, filesOf(exchange)];
  const given = new Map(files);
  for (const [path, raw] of Object.entries(edits ?? {})) {
    if (raw === null) given.delete(path); else given.set(path, new Uint8Array(Buffer.from(raw, "base64")));
  }
  const { exit, step, rule, place, result, withheld = [] } = await verify(given, plan);
  const apart = withheld.map(({ kind, path, sha, sent }) => [kind, path, sha, sent]);
  console.log(JSON.stringify([exit, step ?? null, rule ?? null, place ?? null, result ? encode(result) : null, apart]));
}
