// SPDX-License-Identifier: Apache-2.0
// V-2: every log with its tiles, the notes that others hold of it, and forks (L-1 to L-7).
function read(files, path, limit = 1 << 28) { // L-7, B-9
  if (!files.has(path)) throw lacking("L-7", path);
  need(files.get(path).length <= limit, "B-9", path);
  return files.get(path);
}
const below = (files, folder) => [...files.keys()].filter((path) => path.startsWith(`${folder}/`)).map((path) => path.slice(folder.length + 1)).sort();

function stopsEarly(raw) { // whether JSON ends where more is due: of it only brackets are left, and all pairs go
  let brackets = toText(raw, "").replace(/"(\\.|[^"\\])*"|true|false|null|-?\d+|[,:]/g, "");
  for (let n = -1; n !== brackets.length; brackets = brackets.replace(/\[\]|\{\}/g, "")) n = brackets.length;
  return /^[[{]+$/.test(brackets);
}
const isJson = (raw) => { try { return decode(raw, "") !== undefined; } catch { return false; } };
async function bound(files, path, sha, ending, rule, { lines = 0, whole = null } = {}) { // a text that has this digest and ends so, or was cut (L-7)
  const raw = read(files, path), last = ending.charCodeAt(0), ends = raw.at(-1) === last;
  if ((await digest(raw)) === sha) return raw;
  const mended = !ends && raw.length > 0 && (await digest(joined(raw.subarray(0, -1), [last]))) === sha; // only its last byte is wrong
  const rows = ends && lines ? toText(raw, path).trimEnd().split("\n") : [], few = rows.length < lines && rows.every((row) => isJson(toBytes(row)));
  const isCut = ends ? (ending === "}" ? stopsEarly(raw) : lines > 0 && few) : !mended;
  throw (isCut || (whole && begins(whole, raw)) ? lacking : wrong)(rule, path);
}

const keyId = async (name, kind, key) => (await hash(joined(toBytes(`${name}\n`), [kind], unhex(key)))).subarray(0, 4);
const NOTE = /^([^\n]+)\n(0|[1-9]\d{0,18})\n([^\n]+)\n\n((?:— [^\s+]+ [^\s]+\n){1,100})$/, MOST_NOTE = 65536;
const LATEST = 253402300799; // the end of the year 9999

async function wholeNote(raw, log, keys, place) { // L-1, L-3: what a note says, and whether its last line is one that was verified here
  const found = raw.length <= MOST_NOTE && NOTE.exec(toText(raw, place));
  need(found && !/[\0-\x09\x0b-\x1f\x7f]/.test(found[0]), "L-1", place);
  const [text, origin, size, root, signatures] = found, signed = toBytes(text.slice(0, text.indexOf("\n\n") + 1));
  const note = { size: Number(size), root: hex(unbase64(root) ?? []), sha: await digest(raw), cosigned: [] }, lines = signatures.trimEnd().split("\n");
  need(origin === log.origin && note.root.length === 64, "L-1", place);
  let own = false, last = false;
  for (const [, name, armored] of lines.map((line) => line.split(" "))) {
    const line = unbase64(armored);
    need(line?.length > 4, "L-1", place);
    last = false;
    if (name === log.origin && begins(line, await keyId(name, 1, log.key))) {
      own = last = await signedBy(log.key, line.subarray(4), signed);
      need(own, "L-1", place);
    } else if (keys?.has(name) && begins(line, await keyId(name, 4, keys.get(name)))) {
      const at = big(line.subarray(4, 12)), message = joined(toBytes(`cosignature/v1\ntime ${at}\n`), signed);
      last = at > 0n && at < 2n ** 63n && (await signedBy(keys.get(name), line.subarray(12), message));
      if (last) note.cosigned.push({ name, at: Number(at) });
    }
  }
  need(own, "L-1", place);
  if (keys && !note.cosigned.length) throw (lines.length === 1 ? lacking : wrong)("L-3", place);
  return { note, last };
}
async function readNote(raw, log, keys, place) { // {size, root, sha, cosigned}; `keys` of witnesses, of whom one must have signed
  if (raw.at(-1) === 10 || raw.length > MOST_NOTE) {
    const [, origin] = /^([^\n]+)\n((0|[1-9]\d{0,18})\n([A-Za-z0-9+/=]+\n\n?)?)?$/.exec(new TextDecoder().decode(raw)) ?? [];
    if (origin === log.origin) throw lacking("L-7", place);
    return (await wholeNote(raw, log, keys, place)).note;
  }
  const mended = await wholeNote(joined(raw.subarray(0, -1), [10]), log, keys, place).catch(() => null); // its last byte may be wrong
  throw (raw.length && mended?.last ? wrong : lacking)("L-7", place);
}

const TILE = /^tile\/(entries|[0-7])\/((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;
function tilePath(level, n, width) {
  const groups = String(n).padStart(3 * Math.ceil(String(n).length / 3), "0").match(/.../g);
  return `tile/${level}/${groups.map((group, k) => (k < groups.length - 1 ? `x${group}` : group)).join("/")}${width < 256 ? `.p/${width}` : ""}`;
}
function parseTile(path) { // {level, n, width}, or null for what no log writes
  const [, level, groups, partial = "256"] = TILE.exec(path) ?? [], n = Number(groups?.replace(/\D/g, ""));
  return groups && tilePath(level, n, Number(partial)) === path ? { path, level, n, width: Number(partial) } : null;
}
const tilesOf = (size) => Array.from({ length: Math.ceil(size / 256) }, (_, n) => [n, Math.min(256, size - 256 * n)]);
const bundleOf = (entries) => joined(...entries.flatMap((raw) => [[raw.length >> 8, raw.length & 255], raw]));
function parseBundle(raw, width) { // the first `width` entries, and where they end; an entry that stops early is left in `cut`
  const entries = [];
  let at = 0;
  for (let length; entries.length < width; at += 2 + length) {
    length = (raw[at] ?? 0) * 256 + (raw[at + 1] ?? 0);
    if (at + 2 + length > raw.length) return { entries, at, cut: raw.subarray(at + 2) };
    entries.push(raw.subarray(at + 2, at + 2 + length));
  }
  return { entries, at };
}
async function tileRows(leaves) { // per level the hashes that its tiles hold
  const rows = [leaves];
  while (rows.at(-1).length >= 256) {
    const full = tilesOf(rows.at(-1).length).filter(([, width]) => width === 256);
    rows.push(await Promise.all(full.map(([n]) => treeRoot(rows.at(-1).slice(256 * n, 256 * n + 256)))));
  }
  return rows;
}
async function hides(raw, leaf) { // whether these bytes begin with the entry of this leaf hash, whatever length was written before it
  for (let n = 0; n <= raw.length; n++) if (same(await leafHash(raw.subarray(0, n)), leaf)) return true;
  return false;
}

async function readTree(files, folder, { size, root }) { // the entries under a head, every tile file that it covers compared (L-1, L-5, L-7)
  const tiles = below(files, folder).map(parseTile).filter(Boolean), entries = [], leaves = [];
  const find = (level, n, width) => { // the smallest file that holds so much of a tile
    const held = tiles.filter((one) => one.level === level && one.n === n && one.width >= width).map((one) => one.width);
    return tilePath(level, n, held.length ? Math.min(...held) : width);
  };
  const told = async () => { // the leaf hashes as the tiles of level 0 have them, if these are the signed ones
    const there = tilesOf(size).map(([n, width]) => [`${folder}/${find("0", n, width)}`, 32 * width]).filter(([path]) => files.has(path));
    const raws = there.map(([path, length]) => read(files, path).subarray(0, length));
    const hashes = raws.flatMap((raw) => Array.from({ length: Math.floor(raw.length / 32) }, (_, k) => raw.subarray(32 * k, 32 * k + 32)));
    return hashes.length === size && hex(await treeRoot(hashes)) === root ? hashes : null;
  };
  for (const [n, width] of tilesOf(size)) {
    const path = find("entries", n, width), { entries: more, at, cut } = parseBundle(read(files, `${folder}/${path}`), width);
    for (const raw of more) { entries.push(raw); leaves.push(await leafHash(raw)); }
    if (cut) { // a changed length looks like a cut; the hash tiles tell
      const hashes = await told(), changed = hashes && (!leaves.every((leaf, k) => same(leaf, hashes[k])) || (await hides(cut, hashes[leaves.length])));
      throw (changed ? wrong : lacking)("L-7", `${folder}/${path}`);
    }
    need(at === files.get(`${folder}/${path}`).length || path !== tilePath("entries", n, width), "L-1", `${folder}/${path}`);
  }
  need(hex(await treeRoot(leaves)) === root, "L-1", `${folder}/checkpoint`);
  const rows = await tileRows(leaves), used = new Set(tilesOf(size).map(([n, width]) => find("entries", n, width)));
  for (const [level, row] of rows.entries()) for (const [n, width] of tilesOf(row.length)) used.add(find(String(level), n, width));
  for (const path of used) read(files, `${folder}/${path}`);
  for (const { path, level, n, width } of tiles) {
    const all = level === "entries" ? entries : rows[level] ?? [], covered = all.slice(256 * n, 256 * n + width), place = `${folder}/${path}`;
    if (!covered.length || (covered.length < width && !used.has(path)) || (level === "entries" && used.has(path))) continue; // beyond the head, or read
    const expected = level === "entries" ? bundleOf(covered) : joined(...covered), raw = files.get(place);
    const there = covered.length < width ? raw.subarray(0, expected.length) : raw;
    if (!same(there, expected)) throw (begins(expected, there) ? lacking : wrong)("L-1", place);
  }
  const roots = new Map();
  const rootAt = async (n) => { if (!roots.has(n)) roots.set(n, hex(await treeRoot(leaves.slice(0, n)))); return roots.get(n); };
  return { entries, size, rootAt };
}

async function readMirror(files, folder, log, keys) { // the notes of one witness over one log, by size: [{witness: key name, size, root, at, sha}]
  const paths = below(files, folder), notes = [], place = `${folder}/checkpoint`;
  for (const path of paths.filter((one) => /^notes\/\d{20}(-\d{20})?$/.test(one))) {
    const { cosigned, size, root, sha } = await readNote(read(files, `${folder}/${path}`), log, keys, `${folder}/${path}`);
    const name = `notes/${String(size).padStart(20, "0")}`, names = cosigned.map(({ at }) => `${name}-${String(at).padStart(20, "0")}`);
    need([name, ...names].includes(path), "L-4", `${folder}/${path}`);
    need(cosigned.every(({ at }) => at <= LATEST), "L-3", `${folder}/${path}`);
    notes.push(...cosigned.map(({ name: witness, at }) => ({ witness, size, root, at, sha })));
  }
  if (!notes.length && !paths.some((path) => path === "checkpoint" || path.startsWith("tile/"))) return [];
  const newest = await readNote(read(files, place), log, keys, place), alike = notes.filter((note) => note.size === newest.size);
  if (newest.sha !== notes.at(-1)?.sha) { // a copy that was made half-way, unless it is another word than a note of its size
    const behind = notes.some((note) => note.sha === newest.sha) || alike.every((note) => note.root === newest.root && note.at < newest.cosigned[0].at);
    throw (behind ? lacking : wrong)("L-4", place);
  }
  await checkHistory(await readTree(files, folder, newest), notes, folder); // it holds the bytes that it cosigned
  return notes;
}
async function checkHistory({ size, rootAt }, notes, place) { // L-3: nobody holds more of a log, or another one
  for (const note of notes) need(note.size <= size && (await rootAt(note.size)) === note.root, "L-3", `${place} ${note.size}`);
}
async function notesOver(files, plan, party, others) { // by anybody's key in the chain; `others`: plans that are believed beside those before
  const notes = [];
  for (const { id } of seersOf(plan).filter((one) => one.id !== party.id)) {
    const laid = others ?? plan.later.filter((one) => files.has(`${id}/plans/${one.sha}/plan.json`)); // nobody speaks for another's keys
    notes.push(...(await readMirror(files, await mirrorOf(id, party.log.origin), party.log, witnessKeys(plan, id, laid))));
  }
  return notes;
}

async function readBeginning(raw, log, place) { // the file that shows what a longer tree has at an earlier size: {size, root, note}
  const text = new TextDecoder().decode(raw), [above] = text.split("\n\n"), [first, ...proof] = above.split("\n");
  const [, size, armored] = /^root (0|[1-9]\d{0,18}) (\S+)$/.exec(first) ?? [], root = hex(unbase64(armored ?? "") ?? []);
  need(root.length === 64 && proof.length <= 63 && raw.length <= MOST_NOTE + 64 * 64, "L-2", place);
  const note = await readNote(toBytes(text.slice(above.length + 2)), log, null, place);
  need(Number(size) < note.size && (await isBeginning(Number(size), root, note.size, note.root, proof.map((one) => hex(unbase64(one) ?? [])))), "L-2", place);
  return { size: Number(size), root, note };
}
async function refuseForks(files, plan, party) { // L-2: two heads that the log signed and that cannot be of one history
  const mirrors = await Promise.all(idsOf(seersOf(plan)).map((id) => mirrorOf(id, party.log.origin))), heads = new Map();
  const paths = [logFolder(plan, party), ...mirrors].flatMap((folder) => below(files, folder).map((path) => [folder, path]));
  if (!paths.some(([, path]) => path.startsWith("fork/"))) return;
  const told = (head, place) => { need((heads.get(head.size) ?? head.root) === head.root, "L-2", place); heads.set(head.size, head.root); };
  for (const asked of [readNote, (raw, log, _, place) => readBeginning(raw, log, place)]) { // what does not verify proves nothing
    for (const [folder, path] of paths.filter(([, one]) => /^(checkpoint$|notes\/|fork\/)/.test(one))) {
      const head = await asked(files.get(`${folder}/${path}`), party.log, null, path).catch(() => null);
      if (head) told(head, `${folder}/${path}`);
    }
  }
}

async function readLog(files, plan, party) { // V-2: {entries, size, rootAt, notes}; notes are those by this plan's own keys, under ids
  const folder = logFolder(plan, party), head = await readNote(read(files, `${folder}/checkpoint`), party.log, null, `${folder}/checkpoint`);
  const log = await readTree(files, folder, head), notes = await notesOver(files, plan, party);
  await checkHistory(log, notes, folder);
  await refuseForks(files, plan, party);
  const ids = new Map(seersOf(plan).map(({ id, witness }) => [witness.name, id]));
  return { ...log, notes: notes.filter((note) => ids.has(note.witness)).map((note) => ({ ...note, witness: ids.get(note.witness) })) };
}
