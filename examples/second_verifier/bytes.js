// SPDX-License-Identifier: Apache-2.0
// Bytes: strict JSON (B-1 to B-4), digests and signatures (B-6), Merkle roots (RFC 6962), gzip (B-8), zip archives.
const NS = "https://detente.example/";
const refusal = (exit, rule, place) => Object.assign(new Error(`${rule}: ${place}`), { exit, rule, place });
const wrong = (rule, place) => refusal(3, rule, place); // whole, and not what it must be
const lacking = (rule, place) => refusal(4, rule, place); // missing or cut off
const need = (holds, rule, place) => { if (!holds) throw wrong(rule, place); };

const toBytes = (text) => new TextEncoder().encode(text);
const hex = (raw) => Array.from(raw, (byte) => byte.toString(16).padStart(2, "0")).join("");
const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const begins = (whole, part) => part.length <= whole.length && part.every((byte, k) => byte === whole[k]);
const same = (a, b) => a.length === b.length && begins(a, b);
const joined = (...parts) => Uint8Array.from(parts.flatMap((part) => [...part]));
const hash = async (raw) => new Uint8Array(await crypto.subtle.digest("SHA-256", raw));
const digest = async (raw) => hex(await hash(raw));
const tagged = (use, ...parts) => hash(joined(toBytes(`detente ${use} v1\n`), ...parts)); // B-6

const publicKey = (key) => crypto.subtle.importKey("raw", unhex(key), { name: "Ed25519" }, false, ["verify"]);
const signedBy = async (key, signature, message) => crypto.subtle.verify({ name: "Ed25519" }, await publicKey(key), signature, message);

function toText(raw, place) {
  try { return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw); } catch { throw wrong("B-2", place); }
}

function unbase64(text) { // null unless it is the one canonical spelling
  try { return btoa(atob(text)) === text ? Uint8Array.from(atob(text), (c) => c.charCodeAt(0)) : null; } catch { return null; }
}

function encode(value, place = "", depth = 0) { // RFC 8785, narrowed by B-1
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") { need(Number.isSafeInteger(value), "B-1", place); return String(value); }
  if (typeof value === "string") { need(!/[\ud800-\udfff]/u.test(value), "B-1", place); return JSON.stringify(value); }
  need(depth < 16, "B-1", place);
  if (Array.isArray(value)) return `[${value.map((one) => encode(one, place, depth + 1)).join()}]`;
  const names = Object.keys(value).sort();
  need(names.every((name) => /^[A-Za-z_][A-Za-z0-9_-]*$/.test(name)), "B-1", place);
  return `{${names.map((name) => `"${name}":${encode(value[name], place, depth + 1)}`).join()}}`;
}

function decode(raw, place, shape = () => true) { // B-2, then B-3
  const text = toText(raw, place);
  let value;
  try { value = JSON.parse(text); } catch { throw wrong("B-2", place); }
  need(encode(value, place) === text, "B-2", place);
  need(shape(value), "B-3", place);
  return value;
}
const equal = (a, b) => encode(a) === encode(b);

// Shapes (B-3): functions that say whether a value fits; a member of a record whose name ends in "?" is optional.
const isText = (v) => typeof v === "string", isSha = (v) => isText(v) && /^[0-9a-f]{64}$/.test(v);
const isObject = (v) => v !== null && typeof v === "object" && !Array.isArray(v), orNull = (shape) => (v) => v === null || shape(v);
const oneOf = (...words) => (v) => words.includes(v);
const listOf = (shape) => (v) => Array.isArray(v) && v.every(shape);
const record = (members) => (v) => isObject(v) && Object.keys(v).every((name) => name in members || `${name}?` in members) &&
  Object.entries(members).every(([name, shape]) => (name.endsWith("?") && !(name.slice(0, -1) in v)) || shape(v[name.replace("?", "")]));

function linesOf(raw, limit, place) { // B-4, B-9
  const lines = [];
  for (let at = 0, end; at < raw.length; at = end + 1) {
    end = raw.indexOf(10, at);
    need(end > at && end - at <= limit, "B-4", `${place} line ${lines.length + 1}`);
    lines.push(raw.subarray(at, end));
  }
  return lines;
}

const leafHash = (raw) => hash(joined([0], raw)), nodeHash = (left, right) => hash(joined([1], left, right));
class Tree { // the Merkle tree of RFC 6962, section 2.1, one leaf after the other
  constructor() { this.size = 0; this.edge = []; }
  async add(leaf) {
    for (let n = this.size++; n % 2; n = (n - 1) / 2) leaf = await nodeHash(this.edge.pop(), leaf);
    this.edge.push(leaf);
  }
  async root() {
    let [node, ...rest] = [...this.edge].reverse();
    for (const left of rest) node = await nodeHash(left, node);
    return hex(node ?? (await hash(toBytes(""))));
  }
}

async function inflate(raw, limit, place) { // what a gzip file holds: {text}, or {cut}: whether it only stops early
  const stream = new DecompressionStream("gzip"), writer = stream.writable.getWriter(), reader = stream.readable.getReader(), parts = [];
  writer.write(raw).then(() => writer.close()).catch(() => {});
  try {
    for (let size = 0; ;) {
      const { done, value } = await reader.read();
      if (done) return { text: await new Blob(parts).arrayBuffer().then((whole) => new Uint8Array(whole)) };
      need((size += value.length) <= limit, "B-8", place);
      parts.push(value);
    }
  } catch (error) {
    if (error.exit) throw error;
    return { cut: /Z_BUF_ERROR|truncat|unexpected end/i.test(`${error.code} ${error.message}`) }; // Node, Chromium, others
  }
}

const little = (raw, at, n) => raw.subarray(at, at + n).reduceRight((sum, byte) => sum * 256 + byte, 0);
const GZIP = unhex("1f8b0800000000000003");

async function gunzip(raw, limit, place) { // B-8
  need(begins(raw, GZIP) || begins(GZIP, raw), "B-8", place);
  const { text, cut } = await inflate(raw, limit, place), told = little(raw, raw.length - 4, 4), few = raw.length <= 18;
  if (!text) throw cut && (few || told < raw.length - 64 || told > 64 * raw.length + 4096) ? lacking("L-7", place) : wrong("B-8", place);
  need(told === text.length, "B-8", place); // nothing lies behind the member
  return text;
}

async function unzip(raw) { // the files below exchange/ of an archive made by `detente pack`, by path
  const files = new Map();
  let end = raw.length - 22;
  while (end >= 0 && little(raw, end, 4) !== 0x06054b50) end--;
  for (let n = little(raw, end + 10, 2), at = little(raw, end + 16, 4); n > 0; n--) { // its directory: PKWARE APPNOTE, section 4.3.12
    const [name, extra, comment] = [28, 30, 32].map((k) => little(raw, at + k, 2)), path = toText(raw.subarray(at + 46, at + 46 + name), "archive");
    const from = little(raw, at + 42, 4), start = from + 30 + little(raw, from + 26, 2) + little(raw, from + 28, 2), size = little(raw, at + 24, 4);
    const body = raw.subarray(start, start + little(raw, at + 20, 4)), sum = raw.subarray(at + 16, at + 20), length = raw.subarray(at + 24, at + 28);
    const { text } = await inflate(joined(GZIP, body, sum, length), size, path); // each file is deflated, and its check sum stands in the directory
    if (!text) throw lacking("archive", path);
    if (path.startsWith("exchange/")) files.set(path.slice(9), text);
    at += 46 + name + extra + comment;
  }
  return files;
}
