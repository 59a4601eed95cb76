// SPDX-License-Identifier: Apache-2.0
// V-1: the plan, its tables and rules (P-1 to P-12); the plans before and after it (P-11), and whose keys are whose in them.
const isTexts = mapOf(isText), isHead = record({ origin: isText, size: isSize, root: isSha }), isWitness = record({ name: isText, key: isSha });
const KINDS = ["hazard", "benign", "attack", "control"], FACTS = ["agreed", "seen", "complete", "checked", "repeated", "attested"];
const PLAN = record({
  type: oneOf(`${NS}plan/v1`), title: isTexts, texts: listOf(isLanguage), supersedes: orNull(record({ plan: isSha, heads: listOf(isHead) })),
  parties: listOf(record({ id: isId, name: isTexts, roles: listOf(oneOf("coordinates", "tests", "observes", "audits")), home: isText, statement: isKey,
    log: record({ origin: isText, key: isKey }), witness: record({ name: isText, key: isKey }), recipient: isRecipient })),
  observers: listOf(record({ id: isId, name: isTexts, witness: record({ name: isText, key: isKey }) })), observersCount: isFlag, quorum: isSize,
  naming: oneOf("named", "coded"), subjects: listOf(record({ id: isId, name: orNull(isTexts), "descriptor?": isSha, "commitment?": isSha })),
  sections: listOf(record({ id: isText, releasers: listOf(isText), external: isFlag, "commitment?": isSha,
    disclosure: (v) => v === "home" || record({ headers: oneOf("public", "parties"), scores: oneOf("public", "parties") })(v),
    audit: orNull(record({ by: listOf(isText), n: isCount, place: oneOf("crosses", "onSite", "thirdParty"), answerHours: isCount })) })),
  suites: listOf(record({ id: isId, section: isText, owner: isText, sealed: isFlag, languages: listOf(isLanguage), epochs: isCount, items: isCount,
    list: isSha, variant: orNull(record({ of: isText, name: isText })), "drawn?": record({ items: isCount, list: isSha, seed: isText }) })),
  tests: listOf(record({ subject: isText, section: isText, party: isText })),
  sampling: record({ temperature: isDecimal, topP: isDecimal, seed: oneOf("slot", "none") }), caps: mapOf(record({ chars: isCount, tokens: isCount })),
  scorers: listOf(record({ id: isId, method: oneOf("rule", "judge", "human", "choice"), definition: isSha, rubric: orNull(mapOf(isSha)),
    languages: listOf(isLanguage), tolerance: isDecimal, by: isText })),
  measures: listOf(record({ id: isId, name: oneOf("didNotRefuse", "harmfulHelp", "overRefusal", "other"), kind: oneOf(...KINDS), scorer: isText,
    hit: listOf(isText), corrected: orNull(isText), "suites?": listOf(isText) })),
  filtered: oneOf("asDeployed", "modelAlone"), maxMissing: isDecimal, gate: orNull(record({ id: isText, rule: isSha })),
  competence: record({ scorer: isText, floor: isDecimal }), runs: record({ max: isCount, registerBy: isTime, deadline: isTime }),
  requires: listOf(oneOf(...FACTS)), blind: isFlag, closing: record({ by: listOf(isText) }), canary: (v) => isText(v) && /^.{1,128}$/su.test(v),
});
const covers = (measure, suite) => !measure.suites || measure.suites.includes(suite);
const idsOf = (rows) => rows.map((one) => one.id), byId = (rows, id) => rows.find((one) => one.id === id);

async function parsePlan(raw, place) { // everything that the file alone can tell
  const plan = decode(raw, place, PLAN), { parties, observers, sections, suites, tests, scorers, measures, texts } = plan;
  const must = (rule, holds, what) => need(holds, rule, `${place} ${what}`);
  const ids = idsOf(parties), doing = (role) => idsOf(parties.filter((one) => one.roles.includes(role)));
  const chosen = (rule, list, from, what, least = 0) => // some of these, each once
    must(rule, isOnce(list) && list.length >= least && list.every((one) => from.includes(one)), what);
  const isShare = (text) => !text.startsWith("-") && !isAbove(...fraction(text), "1");
  for (const rows of [[...parties, ...observers], plan.subjects, sections, suites, scorers, measures]) must("P-1", isOnce(idsOf(rows)), "an id twice");
  chosen("P-1", texts, texts, "texts", 1);
  const named = plan.naming === "named" ? plan.subjects.map((one) => one.name) : [];
  for (const text of [plan.title, ...[...parties, ...observers].map((one) => one.name), ...named]) {
    must("P-1", text && equal(Object.keys(text).sort(), [...texts].sort()) && Object.values(text).every(Boolean), "texts");
  }
  for (const { id, name, descriptor, commitment } of plan.subjects) must("P-12", Boolean(descriptor) !== Boolean(commitment) && (named.length || !name), id);
  for (const { id, roles, home, log } of parties) {
    must("P-1", roles.length && isOnce(roles) && home.startsWith("https://"), id);
    must("P-4", log.origin.endsWith(`/${(await digest(unhex(log.key))).slice(0, 16)}`), log.origin);
  }
  const seers = [...parties, ...observers].map((one) => one.witness);
  must("P-3", isOnce([...parties.flatMap((one) => [one.statement, one.log.key, one.recipient]), ...seers.map((one) => one.key)]), "keys");
  const names = [...seers.map((one) => one.name), ...parties.map((one) => one.log.origin)];
  must("P-4", isOnce(names) && names.every((name) => /^[^\s+\p{C}\p{Z}]+$/u.test(name)), "names");
  const others = parties.length - 1 + (plan.observersCount ? observers.length : 0);
  must("P-1", plan.quorum <= others && (plan.quorum > 0 || others === 0), "quorum");
  must("P-1", sections.some((one) => one.id === "core" && one.disclosure !== "home"), "core");
  for (const { id, releasers, audit, disclosure, commitment } of sections) {
    chosen("P-1", [id], ["core", ...ids.map((one) => `annex-${one}`)], id);
    chosen("P-7", releasers, ids, `releasers of ${id}`);
    must("P-6", disclosure === "home" || (audit && !commitment), id);
    chosen("P-7", audit?.by ?? [], doing("audits"), `audit of ${id}`);
    must("P-7", audit?.place !== "thirdParty" || !tests.some((one) => audit.by.includes(one.party)), `audit of ${id}`);
    const slots = suites.filter((one) => one.section === id).map((one) => BigInt(one.items) * BigInt(one.languages.length) * BigInt(one.epochs));
    must("S-4", slots.reduce((a, b) => a + b, 0n) < 2n ** 53n, id);
  }
  for (const [n, suite] of suites.entries()) {
    const { id, section, owner, languages, variant } = suite, before = suites.slice(0, n), of = variant && byId(before, variant.of);
    chosen("P-1", [section], idsOf(sections.filter((one) => one.disclosure !== "home")), id);
    chosen("P-1", [owner], ids, id);
    chosen("P-1", languages, Object.keys(plan.caps), id, 1);
    must("P-7", !suite.sealed || byId(sections, section).releasers.includes(owner), id);
    must("S-6", !suite.drawn || (!variant && suite.drawn.seed !== "" && suite.drawn.items >= suite.items), id);
    must("S-6", !suite.drawn || (suite.drawn.items === suite.items) === (suite.drawn.list === suite.list), id); // all of a bank is the bank
    if (!variant) continue;
    must("S-3", of && !of.variant && of.owner === owner && of.sealed === suite.sealed && suite.items <= of.items && VARIANTS[variant.name], id);
    chosen("S-3", languages, of.languages.filter((lang) => VARIANTS[variant.name][lang]), id);
    must("S-3", !PIVOTS[variant.name] || of.languages.includes(PIVOTS[variant.name]), id);
  }
  must("P-1", tests.length && isOnce(tests.map((one) => encode(one))), "tests");
  for (const { subject, section, party } of tests) {
    chosen("P-1", [subject], idsOf(plan.subjects), "tests");
    must("P-1", doing("tests").includes(party) && suites.some((one) => one.section === section) && ["core", `annex-${party}`].includes(section), "tests");
  }
  must("P-1", Object.keys(plan.caps).every(isLanguage) && !plan.sampling.temperature.startsWith("-"), "sampling");
  must("P-1", [plan.sampling.topP, plan.competence.floor, plan.maxMissing, ...scorers.map((one) => one.tolerance)].every(isShare), "shares");
  for (const { id, by, method, tolerance, languages, rubric } of scorers) {
    chosen("P-1", [by], ["tester", ...ids], id);
    must("C-1", (method !== "rule" || tolerance === "0") && isOnce(languages) && Object.keys(rubric ?? {}).every(isLanguage), id);
  }
  chosen("P-1", [plan.competence.scorer], idsOf(scorers), "competence");
  const alone = [plan.competence.scorer, ...measures.map((one) => one.scorer)]; // who gives rates of its own
  for (const measure of measures) {
    const { id, name, kind, scorer, hit, corrected } = measure, asked = suites.filter((one) => covers(measure, one.id)).flatMap((one) =>
      one.languages.map((lang) => `${one.section} ${one.variant?.of ?? one.id} ${lang}`));
    for (const one of [scorer, corrected ?? scorer]) chosen("P-1", [one], idsOf(scorers), id);
    must("C-8", !corrected || (byId(scorers, corrected).method === "human" && !alone.includes(corrected)), id);
    must("P-8", name !== "harmfulHelp" || ["judge", "human"].includes(byId(scorers, scorer).method), id);
    must("P-8", hit.length && isOnce(hit) && !(["didNotRefuse", "harmfulHelp"].includes(name) && hit.includes("refuse")), id);
    if (measure.suites) chosen("P-8", measure.suites, idsOf(suites), id, 1);
    must("P-8", kind === "hazard" || kind === "control" || isOnce(asked), id);
  }
  must("P-1", secondsOf(plan.runs.registerBy) <= secondsOf(plan.runs.deadline), "runs");
  chosen("P-1", plan.closing.by, ids, "closing", 1);
  chosen("P-1", plan.requires, FACTS, "requires");
  return plan;
}

async function openPlan(files, id) { // one plan, every copy of which is right
  const copies = [...files.keys()].filter((path) => /^[^/]+\/plans\/[^/]+\/plan\.json$/.test(path) && path.split("/")[2] === id);
  if (!copies.length) throw lacking("P-1", `there is no plan ${id} here`);
  const digests = await Promise.all(copies.map((path) => digest(read(files, path, 1 << 24))));
  const good = await bound(files, copies[Math.max(0, digests.indexOf(id))], id, "}", "P-1");
  for (const path of copies) if (!same(files.get(path), good)) throw (begins(good, files.get(path)) ? lacking : wrong)("P-1", path);
  const plan = { ...(await parsePlan(good, copies[0])), sha: id, earlier: [], later: [] };
  for (const path of copies) need(idsOf(seersOf(plan)).includes(path.split("/")[0]), "L-4", path);
  return plan;
}
const suitesIn = (plan, section) => plan.suites.filter((one) => one.section === section.id);
const seersOf = (plan) => [...plan.parties, ...plan.observers]; // who mirrors and cosigns
const countersOf = (plan) => idsOf(plan.observersCount ? seersOf(plan) : plan.parties); // whose notes make a quorum (L-3)

async function readPlan(files, id) { // the plan with those `earlier` in its chain, the nearest first, and those lying here that are `later` (P-11)
  const plan = await openPlan(files, id), chain = [plan], laid = [], later = [];
  while (chain.at(-1).supersedes) chain.push(await openPlan(files, chain.at(-1).supersedes.plan));
  for (const [k, one] of chain.entries()) one.earlier = chain.slice(k + 1);
  for (const other of new Set([...files.keys()].filter((path) => path.endsWith("/plan.json")).map((path) => path.split("/")[2]))) {
    if (!chain.some((one) => one.sha === other)) laid.push(await openPlan(files, other).catch(() => null)); // what nobody named can spoil nothing
  }
  for (let more = [plan]; more.length; later.push(...more)) {
    const before = more;
    more = laid.filter((one) => one?.supersedes && before.some((old) => old.sha === one.supersedes.plan));
    for (const one of more) { const old = before.find((last) => last.sha === one.supersedes.plan); one.earlier = [old, ...old.earlier]; }
  }
  plan.later = later;
  return plan;
}

function checkChain(plan) { // P-11: heads of the right logs; over the whole chain one key has one role, one name stands for one key
  const roles = new Map(), names = new Map(), chain = [plan, ...plan.earlier];
  const keep = (held, key, value) => { need((held.get(key) ?? value) === value, "P-11", `${key} ${value}`); held.set(key, value); };
  for (const [k, old] of plan.earlier.entries()) {
    need(equal(chain[k].supersedes.heads.map((head) => head.origin), old.parties.map((one) => one.log.origin)), "P-11", "heads");
  }
  for (const one of chain) {
    for (const { id, statement, log, recipient } of one.parties) {
      keep(names, log.origin, log.key);
      for (const [role, key] of Object.entries({ statement, log: log.key, recipient })) keep(roles, key, `${id} ${role}`);
    }
    for (const { id, witness } of seersOf(one)) { keep(names, witness.name, witness.key); keep(roles, witness.key, `${id} witness`); }
  }
}
const partyIn = (plan, id) => byId(plan.parties, id);
const hasLog = (plan, id, origin) => partyIn(plan, id)?.log.origin === origin;
const firstIn = (plan, id) => partyIn([plan, ...plan.earlier].findLast((one) => partyIn(one, id)), id); // the party in its first plan
function logFolder(plan, { id, log }) { // L-4
  return log.origin === firstIn(plan, id).log.origin ? `${id}/log` : `${id}/log-${log.origin.slice(-16)}`;
}
const mirrorOf = async (id, origin) => `${id}/mirror/${await digest(toBytes(origin))}`;
const witnessKeys = (plan, id, others) => // the keys with which somebody cosigns in this plan, those before it and `others`: {name: key}
  new Map([...others, ...plan.earlier, plan].flatMap((one) => seersOf(one)).filter((one) => one.id === id).map(({ witness }) => [witness.name, witness.key]));
