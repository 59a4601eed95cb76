// SPDX-License-Identifier: Apache-2.0
// Bytes: strict JSON (B-1 to B-5), digests, keys, signatures (B-6, P-3), Merkle trees (RFC 6962), gzip (B-8), zip archives.
const NS = "https://detente.example/";
const refusal = (exit, rule, place) => Object.assign(new Error(`${rule}: ${place}`), { exit, rule, place });
const wrong = (rule, place) => refusal(3, rule, place); // whole, and not what it must be
const lacking = (rule, place) => refusal(4, rule, place); // missing or cut off
const need = (holds, rule, place) => { if (!holds) throw wrong(rule, place); };

const toBytes = (text) => new TextEncoder().encode(text);
const hex = (raw) => Array.from(raw, (byte) => byte.toString(16).padStart(2, "0")).join("");
const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const big = (raw) => BigInt(`0x${hex(raw) || "0"}`); // most significant byte first
const little = (raw, at, n) => raw.subarray(at, at + n).reduceRight((sum, byte) => sum * 256 + byte, 0);
const begins = (whole, part) => part.length <= whole.length && part.every((byte, k) => byte === whole[k]);
const same = (a, b) => a.length === b.length && begins(a, b);
function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  parts.reduce((at, part) => { whole.set(part, at); return at + part.length; }, 0);
  return whole;
}
const hash = async (raw) => new Uint8Array(await crypto.subtle.digest("SHA-256", raw));
const digest = async (raw) => hex(await hash(raw));
const u64be = (n) => unhex(BigInt(n).toString(16).padStart(16, "0"));
const tagged = (use, ...parts) => hash(joined(toBytes(`detente ${use} v1\n`), ...parts)); // B-6
async function keyed(key, use, ...parts) {
  const imported = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, joined(toBytes(`detente ${use} v1\n`), ...parts)));
}

const PRIME = 2n ** 255n - 19n, ORDER_8 = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
const D = -121665n * power(121666n, PRIME - 2n); // of the curve
function power(base, exponent) { // modulo PRIME
  let result = 1n;
  for (; exponent; exponent >>= 1n, base = (base * base) % PRIME) if (exponent & 1n) result = (result * base) % PRIME;
  return result;
}
function isKey(text) { // P-3: a point of the curve of RFC 8032 in its one encoding, (y^2 - 1) / (d y^2 + 1) a square, its order not small
  const y = isSha(text) ? big(unhex(text).reverse()) % 2n ** 255n : PRIME, product = ((y * y - 1n) * (D * y * y + 1n)) % PRIME;
  return y < PRIME && ![0n, 1n, PRIME - 1n, ORDER_8, PRIME - ORDER_8].includes(y) && power((product + PRIME) % PRIME, (PRIME - 1n) / 2n) === 1n;
}
async function signedBy(key, signature, message) {
  if (!isKey(key) || signature.length !== 64) return false;
  const imported = await crypto.subtle.importKey("raw", unhex(key), { name: "Ed25519" }, false, ["verify"]);
  return crypto.subtle.verify({ name: "Ed25519" }, imported, signature, message);
}
function isRecipient(text) { // the bech32 (BIP 173) of 32 bytes under the name "age"
  const LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l", STEPS = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
  if (!isText(text) || !/^age1[02-9ac-hj-np-z]{58}$/.test(text)) return false;
  const values = [...text.slice(4)].map((letter) => LETTERS.indexOf(letter));
  const sum = [3, 3, 3, 0, 1, 7, 5, ...values].reduce( // the name's high bits, a zero, its low bits
    (check, value) => STEPS.reduce((made, step, k) => ((check >>> (25 + k)) & 1 ? made ^ step : made), ((check & 0x1ffffff) << 5) ^ value), 1);
  return sum === 1 && values[51] % 16 === 0; // 52 letters hold four bits more than 32 bytes
}

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
const isText = (v) => typeof v === "string", isSha = (v) => isText(v) && /^[0-9a-f]{64}$/.test(v), isFlag = (v) => typeof v === "boolean";
const isSize = (v) => Number.isSafeInteger(v) && v >= 0, isCount = (v) => isSize(v) && v > 0;
const isObject = (v) => v !== null && typeof v === "object" && !Array.isArray(v), orNull = (shape) => (v) => v === null || shape(v);
const oneOf = (...words) => (v) => words.includes(v);
const listOf = (shape) => (v) => Array.isArray(v) && v.every(shape), mapOf = (shape) => (v) => isObject(v) && Object.values(v).every(shape);
const record = (members) => (v) => isObject(v) &&
  Object.keys(v).every((name) => Object.hasOwn(members, name) || Object.hasOwn(members, `${name}?`)) &&
  Object.entries(members).every(([name, shape]) => {
    const plain = name.replace("?", "");
    return Object.hasOwn(v, plain) ? shape(v[plain]) : plain !== name;
  });
const isDecimal = (v) => isText(v) && v.length <= 64 && /^-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?$/.test(v) && v !== "-0";
const isId = (v) => isText(v) && /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(v) && !/^(con|prn|aux|nul|(com|lpt)[0-9])$/.test(v); // B-5
const TAG = "[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*"; // RFC 5646, 2.1 and 2.1.1
const LANGUAGE = new RegExp(`^(?!in\\b|iw\\b|ji\\b|jw\\b|mo\\b)${TAG}(-[a-wyz0-9](-[a-z0-9]{2,8})+)*(-x(-[a-z0-9]{1,8})+)?$`);
const isLanguage = (v) => isText(v) && v.length <= 35 && LANGUAGE.test(v) && isRising(v.split("-x-")[0].match(/-[^-](?=-)/g) ?? []);
const isRising = (list) => list.every((one, k) => k === 0 || list[k - 1] < one);
const timeText = (seconds) => (Math.abs(seconds) < 1e12 ? new Date(seconds * 1000).toISOString().replace(".000Z", "Z") : "");
const secondsOf = (time) => Date.parse(time) / 1000;
const isTime = (v) => isText(v) && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(v) && v > "0001" && timeText(secondsOf(v)) === v;
function grouped(list, keyOf) { // a Map of lists
  const found = new Map();
  for (const one of list) { const key = keyOf(one); if (found.has(key)) found.get(key).push(one); else found.set(key, [one]); }
  return found;
}
const isOnce = (list) => new Set(list).size === list.length, compare = (a, b) => (a < b ? -1 : Number(a > b));
const fraction = (text) => { const [whole, part = ""] = text.split("."); return [BigInt(whole + part), 10n ** BigInt(part.length)]; };
const times = ([n, d], other) => [BigInt(n) * other[1], other[0] * BigInt(d)]; // two fractions as numerators over one denominator
const isAbove = (n, d, text) => { const [here, there] = times([n, d], fraction(text)); return here > there; }; // n / d > text
const isBelow = (n, d, text) => { const [here, there] = times([n, d], fraction(text)); return here < there; };

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
async function treeRoot(row) { // RFC 6962, section 2.1, from leaf hashes: neighbours are joined, an odd last one goes up as it is
  if (!row.length) return hash(toBytes(""));
  while (row.length > 1) {
    const pairs = Array.from({ length: Math.ceil(row.length / 2) }, (_, k) => row.slice(2 * k, 2 * k + 2));
    row = await Promise.all(pairs.map(([left, right]) => (right ? nodeHash(left, right) : left)));
  }
  return row[0];
}
const half = (n) => Math.floor(n / 2);
async function isIncluded(leaf, index, size, proof, root) { // RFC 9162, section 2.1.3.2; hashes in hexadecimal
  if (![leaf, root, ...proof].every(isSha) || !isSize(index) || index >= size) return false;
  let node = index, last = size - 1, made = unhex(leaf);
  for (const step of proof.map(unhex)) {
    if (last === 0) return false;
    if (node % 2 || node === last) {
      made = await nodeHash(step, made);
      for (; node % 2 === 0 && node; node = half(node)) last = half(last); // an odd last node was carried up
    } else made = await nodeHash(made, step);
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && hex(made) === root;
}
async function isBeginning(oldSize, oldRoot, newSize, newRoot, proof) { // RFC 9162, section 2.1.4.2; hashes in hexadecimal
  if (![oldRoot, newRoot, ...proof].every(isSha) || !isSize(oldSize) || oldSize > newSize) return false;
  if (oldSize === newSize) return !proof.length && oldRoot === newRoot;
  if (oldSize === 0) return !proof.length && oldRoot === hex(await treeRoot([]));
  const isWhole = Number.isInteger(Math.log2(oldSize)), [first, ...rest] = isWhole ? [oldRoot, ...proof] : proof;
  if (!proof.length) return false;
  let node = oldSize - 1, last = newSize - 1, old = unhex(first), made = old;
  for (; node % 2; node = half(node)) last = half(last);
  for (const step of rest.map(unhex)) {
    if (last === 0) return false;
    if (node % 2 || node === last) {
      [old, made] = [await nodeHash(step, old), await nodeHash(step, made)];
      for (; node % 2 === 0 && node; node = half(node)) last = half(last);
    } else made = await nodeHash(made, step);
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && hex(old) === oldRoot && hex(made) === newRoot;
}

async function inflate(raw, limit, place) { // a deflate stream: {text, state: "whole", "cut" or "broken"}
  const stream = new DecompressionStream("deflate-raw"), writer = stream.writable.getWriter(), reader = stream.readable.getReader(), parts = [];
  let state = "whole";
  writer.write(raw).then(() => writer.close()).catch(() => {});
  try {
    for (let size = 0, next; !(next = await reader.read()).done; parts.push(next.value)) need((size += next.value.length) <= limit, "B-8", place);
  } catch (error) {
    if (error.exit) throw error;
    state = /Z_BUF_ERROR|truncat|unexpected end/i.test(`${error.code} ${error.message}`) ? "cut" : "broken"; // Node, Chromium, others
  }
  return { text: joined(...parts), state };
}
const CRC = Array.from({ length: 256 }, (_, n) => { for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1; return n; });
const crc32 = (raw) => ~raw.reduce((crc, byte) => CRC[(crc ^ byte) & 255] ^ (crc >>> 8), -1) >>> 0;
const GZIP = unhex("1f8b0800000000000003");

async function gunzip(raw, limit, place) { // B-8: {text, whole}; of a file that was cut (L-7) the whole lines that can be read
  need(begins(raw, GZIP) || begins(GZIP, raw), "B-8", place);
  const body = raw.subarray(10, Math.max(10, raw.length - 8)), told = little(raw, raw.length - 4, 4);
  const { text, state } = await inflate(body, limit, place), sound = text.subarray(0, text.lastIndexOf(10) + 1);
  need(state !== "broken", "B-8", place);
  if (state === "cut") {
    need(raw.length <= 18 || told < raw.length - 64 || told > 2 * sound.length + 4096, "B-8", place);
    return { text: sound, whole: false };
  }
  need(told === text.length && little(raw, raw.length - 8, 4) === crc32(text), "B-8", place);
  const front = body.subarray(0, -1), last = body.at(-1);
  need((await inflate(front, limit, place)).state === "cut", "B-8", place); // nothing lies behind the stream
  for (let bit = 1; bit < 256; bit *= 2) { // a bit is unread if the text is the same without it
    const other = last & bit && (await inflate(joined(front, [last ^ bit]), limit + 4096, place));
    need(!other || other.state !== "whole" || !same(other.text, text), "B-8", place);
  }
  return { text, whole: true };
}

async function unzip(raw) { // the files of an archive made by `detente pack`, by path (PKWARE APPNOTE, section 4.3)
  const files = new Map(), decoder = new TextDecoder();
  let end = raw.length - 22;
  while (end >= 0 && little(raw, end, 4) !== 0x06054b50) end--;
  if (end < 0) throw lacking("archive", "it has no end");
  for (let n = little(raw, end + 10, 2), at = little(raw, end + 16, 4); n > 0; n--) {
    const [name, extra, comment] = [28, 30, 32].map((k) => little(raw, at + k, 2)), path = decoder.decode(raw.subarray(at + 46, at + 46 + name));
    const from = little(raw, at + 42, 4), start = from + 30 + little(raw, from + 26, 2) + little(raw, from + 28, 2), size = little(raw, at + 24, 4);
    const { text, state } = await inflate(raw.subarray(start, start + little(raw, at + 20, 4)), size, path);
    if (little(raw, at, 4) !== 0x02014b50 || state !== "whole" || text.length !== size || little(raw, at + 16, 4) !== crc32(text) || files.has(path)) {
      throw lacking("archive", path);
    }
    files.set(path, text);
    at += 46 + name + extra + comment;
  }
  return files;
}
