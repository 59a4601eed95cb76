// SPDX-License-Identifier: Apache-2.0
// Puts vector files to the second verifier's readers: node second_vectors.mjs VERIFIER FILE...
// The answer is a line of JSON a vector: [file, name, what was expected, how it ended, rule, whether the value is right].
import { readFileSync } from "node:fs";
import { webcrypto } from "node:crypto";
import { basename } from "node:path";
import vm from "node:vm";

globalThis.crypto ??= webcrypto;
const [, , verifier, ...files] = process.argv;
for (const name of ["bytes.js", "logs.js", "runs.js", "result.js"]) vm.runInThisContext(readFileSync(`${verifier}/${name}`, "utf8"), name);
const second = vm.runInThisContext("({ decode, encode, gunzip, linesOf, signedBy, unhex, hex, toBytes, readNote, Tree, leafHash, need, recount, slotsOf, verify })");
const { need } = second;

const bytesOf = (parts, bases) => Buffer.concat(parts.map((part) => {
  const whole = "text" in part ? Buffer.from(part.text) : "hex" in part ? Buffer.from(part.hex, "hex") : bytesOf([bases[part.base]].flat(), bases);
  return Buffer.concat(Array(part.times ?? 1).fill(whole.subarray(part.from ?? 0, part.to ?? whole.length)));
}));
const textOf = (value, bases) => (typeof value === "string" ? value : bytesOf([value].flat(), bases).toString());

const READERS = {
  json: async (raw) => second.decode(raw, ""),
  gzip: async (raw, { limit }) => Buffer.from(await second.gunzip(raw, limit, "")).toString("latin1"),
  lines: async (raw, { limit }) => second.linesOf(raw, limit, "").length,
  signatures: async (raw, { key, signature }) => need(await second.signedBy(key, second.unhex(signature), raw), "T-1", "") ?? null,
  "log-heads": async (raw, { origin, key }) => {
    const { size, root } = await second.readNote(raw, { origin, key }, null, "");
    return [origin, size, root];
  },
  roots: async (_, { entries }) => {
    const tree = new second.Tree();
    for (let n = 0; n < entries; n++) await tree.add(await second.leafHash(second.toBytes(`entry ${n}`)));
    return tree.root();
  },
  exchanges: async (_, { files: given, edits, plan }, bases) => {
    const exchange = new Map(Object.entries({ ...given, ...edits }).filter(([, parts]) => parts !== null)
      .map(([path, parts]) => [path, new Uint8Array(bytesOf([parts].flat(), given))]));
    const { exit, step, rule } = await second.verify(exchange, plan ?? "", () => {});
    if (exit) throw Object.assign(new Error(rule), { exit, rule: `${step} ${rule}` });
    return null;
  },
};

for (const file of files) {
  const reader = basename(file, ".json"), { given = {}, bases = {}, vectors } = JSON.parse(readFileSync(file, "utf8"));
  for (const vector of vectors) {
    const raw = new Uint8Array(bytesOf(vector.input ?? [], bases));
    const [exit, rule, value] = await READERS[reader](raw, { ...given, ...vector.given }, bases)
      .then((found) => [0, null, found], (error) => [error.exit ?? 70, error.rule ?? String(error), null]);
    const right = reader === "exchanges" || exit !== 0 || !("value" in vector) || JSON.stringify(value) === JSON.stringify(vector.value);
    console.log(JSON.stringify([reader, vector.name, vector.expect, exit, rule, right, vector.step ?? null, vector.code ?? null]));
  }
}
