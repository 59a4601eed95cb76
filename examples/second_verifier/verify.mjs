// SPDX-License-Identifier: Apache-2.0
// In Node: node verify.mjs EXCHANGE PLAN_ID, where EXCHANGE is a folder or an archive made by `detente pack`.
import { readFileSync, readdirSync, statSync } from "node:fs";
import { webcrypto } from "node:crypto";
import vm from "node:vm";

globalThis.crypto ??= webcrypto;
for (const name of ["bytes.js", "logs.js", "runs.js", "result.js"]) vm.runInThisContext(readFileSync(new URL(name, import.meta.url), "utf8"), name);
const [, , from, id] = process.argv, bytesOf = (path) => new Uint8Array(readFileSync(path)), isFolder = statSync(from).isDirectory();
const paths = isFolder ? readdirSync(from, { recursive: true }).filter((path) => statSync(`${from}/${path}`).isFile()) : [];
const files = new Map(paths.map((path) => [path.replaceAll("\\", "/"), bytesOf(`${from}/${path}`)]));
const given = isFolder ? files : await vm.runInThisContext("unzip")(bytesOf(from));
process.exitCode = (await vm.runInThisContext("verify")(given, (id ?? "").replaceAll(" ", ""), console.log)).exit;
