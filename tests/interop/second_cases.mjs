// SPDX-License-Identifier: Apache-2.0
// Runs the second verifier over many small changes of one exchange: node second_cases.mjs VERIFIER EXCHANGE PLAN_ID < cases
// A case is a line of JSON [path, base64 of its new bytes, or null for "not there"]; the answer is a line [exit, step, rule].
import { readFileSync, readdirSync, statSync } from "node:fs";
import { webcrypto } from "node:crypto";
import vm from "node:vm";

globalThis.crypto ??= webcrypto;
const [, , verifier, exchange, plan] = process.argv, files = new Map();
for (const name of ["bytes.js", "logs.js", "runs.js", "result.js"]) vm.runInThisContext(readFileSync(`${verifier}/${name}`, "utf8"), name);
for (const name of readdirSync(exchange, { recursive: true })) {
  if (statSync(`${exchange}/${name}`).isFile()) files.set(name, new Uint8Array(readFileSync(`${exchange}/${name}`)));
}
for (const line of readFileSync(0, "utf8").trim().split("\n")) {
  const [path, changed] = JSON.parse(line), given = new Map(files);
  if (changed === null) given.delete(path);
  else given.set(path, new Uint8Array(Buffer.from(changed, "base64")));
  const { exit, step, rule } = await vm.runInThisContext("verify")(given, plan, () => {});
  console.log(JSON.stringify([exit, step ?? null, rule ?? null]));
}
