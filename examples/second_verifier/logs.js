// SPDX-License-Identifier: Apache-2.0
// V-1 to V-3: the plan, every log with the notes that others hold of it, and the statements in it.
function read(files, path) {
  if (!files.has(path)) throw lacking("L-7", path);
  return files.get(path);
}

async function bound(files, path, sha, ending, rule) { // a whole text that has this digest and ends so, or was cut (L-7)
  const raw = read(files, path), last = ending.charCodeAt(0), ends = raw.at(-1) === last;
  if ((await digest(raw)) === sha) return raw;
  const brackets = toText(raw, path).replace(/"(\\.|[^"\\])*"/g, "").replace(/[^[\]{}"]/g, ""); // those outside of strings
  const open = ending === "}" && !brackets.includes('"') && brackets.replace(/[\]}]/g, "").length * 2 > brackets.length;
  const mended = !ends && raw.length > 0 && (await digest(joined(raw.subarray(0, -1), [last]))) === sha; // only its last byte is wrong
  throw (ends ? open : !mended) ? lacking(rule, path) : wrong(rule, path);
}

const unknownParts = ({ supersedes, observers, gate, blind, sections, suites, scorers, measures }) => Object.entries({
  supersedes, gate, blind, observers: observers.length, sealed: suites.some((one) => one.sealed), releasers: sections.some((one) => one.releasers.length),
  "audits on site": sections.some(({ audit }) => audit && audit.place !== "crosses"), "corrected rates": measures.some((one) => one.corrected),
  "disclosure to parties": sections.some(({ disclosure }) => Object.values(disclosure).includes("parties")),
  "judges and people": scorers.some(({ method }) => method === "judge" || method === "human"),
}).filter(([, used]) => used).map(([part]) => part);

async function readPlan(files, id) { // V-1
  const copies = [...files.keys()].filter((path) => /^[^/]+\/plans\/[^/]+\/plan\.json$/.test(path) && path.split("/")[2] === id);
  if (!copies.length) throw lacking("P-1", `there is no plan ${id} here`);
  const digests = await Promise.all(copies.map((path) => digest(files.get(path))));
  const good = await bound(files, copies[Math.max(0, digests.indexOf(id))], id, "}", "P-1");
  for (const path of copies) if (!same(files.get(path), good)) throw (begins(good, files.get(path)) ? lacking : wrong)("P-1", path);
  const plan = decode(good, copies[0], (value) => value.type === `${NS}plan/v1`), later = unknownParts(plan);
  if (later.length) throw lacking("P-1", `this plan uses parts this reader does not know: ${later.join(", ")}`);
  const keys = plan.parties.flatMap((party) => [party.statement, party.log.key, party.witness.key]);
  need(keys.every(isSha) && new Set(keys).size === keys.length, "P-3", copies[0]);
  for (const { log } of plan.parties) need(log.origin.endsWith(`/${(await digest(unhex(log.key))).slice(0, 16)}`), "P-4", log.origin);
  for (const path of copies) need(plan.parties.some((party) => path.startsWith(`${party.id}/`)), "L-4", path);
  return { ...plan, sha: id };
}

const keyId = async (name, kind, key) => (await hash(joined(toBytes(`${name}\n`), [kind], unhex(key)))).subarray(0, 4);
const NOTE = /^([^\n]+)\n(0|[1-9]\d{0,14})\n([A-Za-z0-9+/]{43}=)\n\n((?:— [^ \n+]+ [A-Za-z0-9+/]{6,}=*\n)+)$/;

async function readNote(raw, log, witness, place) { // L-1, and L-3 where a witness must have signed: {size, root, at, sha}
  if (raw.at(-1) !== 10) { // it was cut, unless everything else of it is right (L-7)
    const whole = raw.length && (await readNote(joined(raw.subarray(0, -1), [10]), log, witness, place).catch(() => null));
    throw (whole ? wrong : lacking)("L-1", place);
  }
  const text = toText(raw, place), found = NOTE.exec(text), note = { at: 0, sha: await digest(raw) };
  if (!found) throw (/^([^\n]+\n((0|[1-9]\d*)\n([A-Za-z0-9+/]{43}=\n\n?)?)?)?$/.test(text) ? lacking : wrong)("L-1", place);
  const signed = toBytes(text.slice(0, text.indexOf("\n\n") + 1)), lines = found[4].trimEnd().split("\n");
  for (const [, name, armored] of lines.map((line) => line.split(" "))) {
    const line = unbase64(armored);
    need(line && found[1] === log.origin && unbase64(found[3]), "L-1", place);
    if (name === log.origin && begins(line, await keyId(name, 1, log.key))) {
      need(await signedBy(log.key, line.subarray(4), signed), "L-1", place);
      Object.assign(note, { size: Number(found[2]), root: hex(unbase64(found[3])) });
    } else if (name === witness?.name && line.length === 76 && begins(line, await keyId(name, 4, witness.key))) {
      const at = Number(new DataView(line.buffer).getBigUint64(4));
      if (await signedBy(witness.key, line.subarray(12), joined(toBytes(`cosignature/v1\ntime ${at}\n`), signed))) note.at = at;
    }
  }
  need(note.root, "L-1", place);
  if (witness && !note.at) throw (lines.length === 1 ? lacking : wrong)("L-3", place);
  need(note.at < 253402300800, "L-3", place); // the year 10000
  return note;
}

function tilePath(files, folder, start, width) { // the smallest file that holds so many entries of this tile (L-7)
  const number = String(start / 256), digits = number.padStart(Math.ceil(number.length / 3) * 3, "0").replace(/(\d{3})(?=\d)/g, "x$1/");
  const paths = Array.from({ length: 257 - width }, (_, k) => `${folder}/tile/entries/${digits}${width + k < 256 ? `.p/${width + k}` : ""}`);
  return paths.find((path) => files.has(path)) ?? paths[0];
}

async function readEntries(files, folder, { size, root }) { // V-2: the entries under a head, and roots[n], the root at size n
  const entries = [], tree = new Tree(), roots = [await tree.root()];
  for (let start = 0; start < size; start += 256) {
    const width = Math.min(256, size - start), path = tilePath(files, folder, start, width), raw = read(files, path);
    const exact = path.endsWith(width < 256 ? `.p/${width}` : "");
    for (let at = 0, length; entries.length < start + width; at += 2 + length) {
      length = raw[at] * 256 + raw[at + 1];
      if (!(at + 2 + length <= raw.length)) throw lacking("L-7", path);
      need(entries.push(raw.subarray(at + 2, at + 2 + length)) < start + width || !exact || at + 2 + length === raw.length, "L-1", path);
    }
  }
  for (const entry of entries) roots.push(await tree.add(await leafHash(entry)).then(() => tree.root()));
  need(roots.at(-1) === root, "L-1", `${folder}/checkpoint`);
  return { entries, roots, size };
}

async function readLog(files, plan, party) { // V-2: {entries, roots, size, notes}
  const head = `${party.id}/log/checkpoint`, notes = [];
  const log = await readEntries(files, `${party.id}/log`, await readNote(read(files, head), party.log, null, head));
  for (const witness of plan.parties.filter((one) => one !== party)) {
    const folder = `${witness.id}/mirror/${await digest(toBytes(party.log.origin))}/`, mine = [], place = `${folder}checkpoint`;
    for (const path of [...files.keys()].filter((one) => one.startsWith(`${folder}notes/`)).sort()) {
      const note = await readNote(files.get(path), party.log, witness.witness, path), [size, at] = path.slice(folder.length + 6).split("-").map(Number);
      need(size === note.size && (at ?? note.at) === note.at, "L-4", path);
      need(log.roots[note.size] === note.root, "L-3", path); // a rollback, or another history
      mine.push({ ...note, witness: witness.id });
    }
    for (const path of [...files.keys()].filter((one) => one.startsWith(`${folder}fork/`))) { // another head that this log signed (L-2)
      const note = await readNote(files.get(path), party.log, null, path).catch(() => null);
      need(!note || note.size > log.size || log.roots[note.size] === note.root, "L-2", path);
    }
    if (!mine.length && !files.has(place)) continue;
    const newest = await readNote(read(files, place), party.log, witness.witness, place), known = mine.some((note) => note.sha === newest.sha);
    if (newest.sha !== mine.at(-1)?.sha) throw (known || !mine.some((note) => note.size === newest.size) ? lacking : wrong)("L-4", place);
    await readEntries(files, folder.slice(0, -1), newest); // it holds the bytes that it cosigned
    notes.push(...mine);
  }
  return { ...log, notes };
}

const ENVELOPE = record({ payload: isText, payloadType: oneOf("application/vnd.in-toto+json"), signatures: listOf(record({ sig: isText })) });
const STATEMENT = record({ _type: oneOf("https://in-toto.io/Statement/v1"), predicate: isObject, predicateType: isText,
  subject: listOf(record({ digest: record({ sha256: isSha }), name: isText })) });

async function readStatement(raw, plan, party) { // V-3: {kind, said, subjects, sha}
  const { payload: armored, signatures } = decode(raw, "", ENVELOPE), payload = unbase64(armored), signature = unbase64(signatures[0]?.sig ?? "");
  need(payload && signature?.length === 64 && signatures.length === 1, "T-1");
  need(await signedBy(party.statement, signature, joined(toBytes(`DSSEv1 28 application/vnd.in-toto+json ${payload.length} `), payload)), "T-1");
  const { predicateType, predicate: said, subject } = decode(payload, "", STATEMENT), kind = predicateType.slice(NS.length, -3);
  need(predicateType === `${NS}${kind}/v1` && /^(accept|register|release|conclude|score|challenge|open|audit|close)$/.test(kind), "T-2");
  need(said.plan === plan.sha && said.party === party.id, "T-2");
  return { party: party.id, kind, said, subjects: subject.map((one) => one.digest.sha256), sha: await digest(raw) };
}
