// SPDX-License-Identifier: Apache-2.0
// In Node: node verify.mjs EXCHANGE PLAN_ID, where EXCHANGE is a folder or an archive made by `detente pack`.
import { readFileSync, readdirSync, statSync } from "node:fs";
import { webcrypto } from "node:crypto";
import vm from "node:vm";

globalThis.crypto ??= webcrypto;
for (const name of ["bytes.js", "logs.js", "runs.js", "result.js"]) vm.runInThisContext(readFileSync(new URL(name, import.meta.url), "utf8"), name);
const [, , from, id] = process.argv, isFolder = statSync(from).isDirectory(), files = new Map();
for (const name of isFolder ? readdirSync(from, { recursive: true }) : []) {
  if (statSync(`${from}/${name}`).isFile()) files.set(name.replaceAll("\\", "/"), new Uint8Array(readFileSync(`${from}/${name}`)));
}
const given = isFolder ? files : await vm.runInThisContext("unzip")(new Uint8Array(readFileSync(from)));
process.exitCode = (await vm.runInThisContext("verify")(given, (id ?? "").replaceAll(" ", ""), console.log)).exit;
