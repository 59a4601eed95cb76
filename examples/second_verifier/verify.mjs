// SPDX-License-Identifier: Apache-2.0
// In Node: node verify.mjs EXCHANGE PLAN_ID, where EXCHANGE is a folder or an archive made by `detente pack`.
import { lstatSync, readFileSync, readdirSync } from "node:fs";
import { sep } from "node:path";
import { fileURLToPath } from "node:url";
import vm from "node:vm";

const PARTS = ["bytes.js", "plan.js", "logs.js", "named.js", "runs.js", "chain.js", "result.js", "verify.js"]; // as verify.html loads them
for (const name of PARTS) vm.runInThisContext(readFileSync(new URL(name, import.meta.url), "utf8"), name);
export const second = (names) => vm.runInThisContext(`({ ${names} })`); // functions of these parts

export function filesOf(folder) { // by path; null for what is no plain file, and of one beyond every limit (B-9) its length alone
  const paths = readdirSync(folder, { recursive: true }).filter((path) => !lstatSync(`${folder}/${path}`).isDirectory());
  const bytesOf = (path, { size } = lstatSync(path)) => (size > 2 ** 30 ? { length: size } : new Uint8Array(readFileSync(path)));
  return new Map(paths.map((path) => [path.split(sep).join("/"), lstatSync(`${folder}/${path}`).isFile() ? bytesOf(`${folder}/${path}`) : null]));
}
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , from, id = ""] = process.argv, { verify, unzip } = second("verify, unzip");
  const files = lstatSync(from).isDirectory() ? filesOf(from) : await unzip(new Uint8Array(readFileSync(from)));
  process.exitCode = (await verify(files, id.replaceAll(" ", ""), console.log)).exit;
}
