// SPDX-License-Identifier: Apache-2.0
// V-4 to V-9: acceptances, the files that the plan names, runs with their headers, scores counted again, audits.
const startOf = (type, more) => (value) => equal(value, { type: `${NS}${type}/v1`, ...more }); // the first line of a file
const covers = (measure, suite) => !measure.suites || measure.suites.includes(suite);
const compare = (x, y) => { const k = x.findIndex((one, n) => one !== y[n]); return k < 0 ? 0 : x[k] < y[k] ? -1 : 1; };

async function readNamed(files, plan) { // V-5: {lists by suite, labels by scorer}
  const lists = {}, labels = {}, items = new Set();
  const find = async (sha, ending) => {
    const paths = plan.parties.map((party) => `${party.id}/plans/${plan.sha}/files/${sha}`).filter((path) => files.has(path));
    for (const path of paths) await bound(files, path, sha, ending, "P-9");
    return read(files, paths[0] ?? `files/${sha}`);
  };
  const listed = record({ hazard: isText, item: isSha, kind: oneOf("hazard", "benign", "attack", "control"), pair: orNull(isSha), "facet?": isText });
  for (const suite of plan.suites) {
    const rows = linesOf(await find(suite.list, "\n"), 1 << 24, suite.id).map((line) => decode(line, suite.id));
    need(rows.length === suite.items && rows.every((row) => listed(row) && !items.has(row.item) && items.add(row.item)), "S-1", suite.id);
    need(rows.every(({ pair, item }) => pair === null || (pair !== item && rows.some((row) => row.item === pair))), "S-1", suite.id);
    lists[suite.id] = rows;
    const path = `${suite.owner}/plans/${plan.sha}/suites/${suite.id}.jsonl.gz`;
    if (!files.has(path)) continue;
    const [first, ...lines] = linesOf(await gunzip(files.get(path), 1 << 26, path), 1 << 24, path);
    need(first && decode(first, path, startOf("suite", { canary: plan.canary, suite: suite.id })) && lines.length === rows.length, "S-2", path);
    for (const [k, line] of lines.entries()) need(decode(line, path) && (await digest(line)) === rows[k].item, "S-1", path);
  }
  for (const { id, definition, rubric } of plan.scorers) {
    const { type, rules, labels: words } = decode(await find(definition, "}"), id, isObject);
    need(type === `${NS}scorer/v1` && listOf(isText)(words), "C-1", id);
    for (const sha of [rules, ...Object.values(rubric ?? {})]) if (sha) await find(sha, "\n");
    labels[id] = words;
  }
  for (const { id, descriptor } of plan.subjects) if (descriptor) decode(await find(descriptor, "}"), id, isObject);
  return { lists, labels };
}

const slotsOf = (plan, lists, section) => plan.suites.filter((suite) => suite.section === section).flatMap((suite) => // S-4
  lists[suite.id].flatMap((row) => suite.languages.flatMap((lang) => Array(suite.epochs).fill({ ...row, lang, suite: suite.id }))));

const OUTCOMES = ["replied", "filtered", "truncated", "failed"];
async function readHeaders({ plan, files }, { party, id, slots, conclusion: { said, subjects } }) { // V-7: the outcomes
  const path = `${party}/runs/${id}/headers.jsonl.gz`, raw = read(files, path), tree = new Tree(), outcomes = [];
  const text = await gunzip(raw, 512 * (slots.length + 1), path), [first, ...lines] = linesOf(text, 512, path);
  need(equal(subjects, [await digest(raw), await digest(text)]) && lines.length === slots.length, "R-7", path);
  decode(first, path, startOf("headers", { canary: plan.canary, plan: plan.sha, run: id }));
  for (const [i, line] of lines.entries()) {
    const shape = record({ body: isSha, "cut?": oneOf(true), i: oneOf(i), item: oneOf(slots[i].item), outcome: oneOf(...OUTCOMES) });
    const header = decode(line, `${path} ${i}`, (value) => shape(value) && (!value.cut || value.outcome === "replied"));
    outcomes.push(header.cut ? "cut" : header.outcome); // `cut` stands for a reply that was cut
    await tree.add(await leafHash(line));
  }
  const [plain, filtered, truncated, failed, cut] = [...OUTCOMES, "cut"].map((word) => outcomes.filter((one) => one === word).length);
  need((await tree.root()) === said.root && equal({ cut, failed, filtered, replied: plain + cut, truncated }, said.outcomes), "R-7", path);
  return outcomes;
}

function recount(plan, scorer, { slots, outcomes }, labels, given) { // C-7: the counts file; `given`: by slot a label, or null for an error
  const tables = { cells: {}, outcomes: {}, spread: {}, pairs: {} }, items = {}, none = { hits: 0, scored: 0, filtered: 0, failed: 0 };
  const row = (table, key, more) => (tables[table][encode(key)] ??= { ...key, ...more });
  for (const [i, { item, hazard, kind, lang, suite }] of slots.entries()) {
    const word = outcomes[i], cell = { hazard, kind, lang, suite }, { n } = row("outcomes", cell, { n: [0, 0, 0, 0, 0] });
    for (const k of word === "cut" ? [0, 4] : [OUTCOMES.indexOf(word)]) n[k]++;
    if (i in given) row("cells", cell, { n: [...labels, ""].map(() => 0) }).n[[...labels, null].indexOf(given[i])]++;
    for (const { id: measure, hit } of plan.measures.filter((one) => one.scorer === scorer && one.kind === kind && covers(one, suite))) {
      const { langs } = (items[`${measure} ${item}`] ??= { key: { measure, hazard, suite }, langs: {} }), tally = (langs[lang] ??= { ...none });
      if (given[i]) { tally.scored++; tally.hits += hit.includes(given[i]) ? 1 : 0; } else if (word === "filtered") tally.filtered++;
      else if (word === "failed" || i in given) tally.failed++;
    }
  }
  for (const { key, langs } of Object.values(items)) for (const [k, a] of Object.keys(langs).entries()) {
    row("spread", { ...key, lang: a, ...langs[a] }, { items: 0 }).items++;
    for (const b of Object.keys(langs).slice(k + 1)) {
      const both = Object.fromEntries(Object.keys(none).map((name) => [name, [langs[a][name], langs[b][name]]]));
      row("pairs", { ...key, langs: [a, b], ...both }, { items: 0 }).items++;
    }
  }
  const place = (one) => ["measure", "hazard", "kind", "lang", "langs", "suite", ...Object.keys(none)].flatMap((name) => one[name] ?? "");
  const sorted = (rows) => Object.values(rows).sort((x, y) => compare(place(x), place(y)));
  return { crossed: [], ...Object.fromEntries(Object.entries(tables).map(([name, rows]) => [name, sorted(rows)])) };
}

async function readScoring({ plan, files, named }, run, { party, said: { scorer }, subjects }) { // V-8: the counts file, made again
  const stem = `${party}/runs/${run.id}/scores/${scorer}.${subjects[0].slice(0, 16)}`, path = `${stem}.jsonl.gz`, raw = read(files, path), given = {};
  const kinds = plan.measures.filter((one) => one.scorer === scorer).map((one) => one.kind);
  if (plan.competence.scorer === scorer) kinds.push("control");
  const scored = [...run.slots.keys()].filter((i) => kinds.includes(run.slots[i].kind) && !["filtered", "failed"].includes(run.outcomes[i]));
  const text = await gunzip(raw, 4096 * (scored.length + 1), path), lines = linesOf(text, 4096, path), labels = named.labels[scorer];
  need(equal(subjects.slice(0, 2), [await digest(raw), await digest(text)]) && lines.length === scored.length, "C-4", path);
  for (const [k, line] of lines.entries()) {
    const shape = record({ i: oneOf(scored[k]), "label?": oneOf(...labels), "error?": isText, "why?": isSha, "raters?": listOf(isObject) });
    given[scored[k]] = decode(line, path, (value) => shape(value) && "label" in value !== "error" in value).label ?? null;
  }
  const counts = decode(await bound(files, `${stem}.counts.json`, subjects[2], "}", "C-7"), `${stem}.counts.json`);
  need(equal(recount(plan, scorer, run, labels, given), counts), "C-7", `${stem}.counts.json`);
  return counts;
}

// V-4 and V-6 to V-9 over logs cut at `sizes`: what counts, and what is listed because it counts for nothing (T-3, L-8).
async function walk(world, sizes, step) {
  const { plan, files, logs, cache } = world, entries = world.statements.filter((one) => one.index < sizes[one.party]), used = new Set(), runs = [];
  const once = async (key, make) => { if (!cache.has(key)) cache.set(key, await make()); return cache.get(key); };
  const of = (kind, run, fits) => entries.filter((one) => one.kind === kind && one.said.run === run && fits(one));
  const first = (kind, run, fits) => of(kind, run, fits).slice(0, 1).map((one) => used.add(one) && one)[0];
  const about = (one, ...shas) => equal(one.subjects, shas);
  const accepted = plan.parties.map(({ id }) => first("accept", undefined, (one) => one.party === id && about(one, plan.sha)));
  await step("V-4", () => `${accepted.filter(Boolean).length} of ${plan.parties.length} parties accepted this plan`);
  await step("V-5", async () => { world.named ??= await readNamed(files, plan); });
  const { named } = world;
  await step("V-6", () => {
    for (const { party, subject, section: name } of plan.tests) {
      const section = plan.sections.find(({ id }) => id === name), slots = slotsOf(plan, named.lists, name);
      const isMine = (one) => one.party === party && one.said.subject === subject && one.said.section === name && about(one, plan.sha);
      for (const [k, entry] of of("register", undefined, isMine).entries()) {
        const imported = entry.said.engine.name === "external", commits = entry.said.drawCommits.map((one) => one.auditor).sort();
        const lawful = k < plan.runs.max && (!imported || section.external) && equal(commits, [...(section.audit?.by ?? [])].sort());
        const isEnd = ({ status, root, start, trace }, one) => !start.releases.length && !(imported && trace) &&
          (status === "aborted" ? root === null && about(one, entry.sha) : root !== null && one.subjects.length === 2);
        const conclusion = first("conclude", entry.sha, (one) => one.party === party && one.index > entry.index && isEnd(one.said, one));
        const far = conclusion?.said.start.notes.find((note) => !logs[party].notes.some(({ sha }) => sha === note));
        if (far) throw lacking("R-4", `note ${far}`);
        if (lawful) used.add(entry);
        runs.push({ party, subject, section, id: entry.sha, entry, attempt: k + 1, lawful, slots, conclusion, scorings: [] });
      }
    }
    return `${runs.length} runs registered`;
  });
  const ended = runs.filter((run) => run.conclusion?.said.status === "completed");
  await step("V-7", async () => { for (const run of ended) run.outcomes = await once(run.conclusion.sha, () => readHeaders(world, run)); });
  await step("V-8", async () => {
    for (const run of ended) for (const entry of of("score", run.id, (one) => one.subjects[3] === run.conclusion.sha && one.subjects.length === 4)) {
      const { said: { scorer: id, definition, sample }, party, index } = entry, scorer = plan.scorers.find((one) => one.id === id);
      if (scorer?.definition !== definition || sample || (party === run.party && index < run.conclusion.index)) continue;
      const counted = party === (scorer.by === "tester" ? run.party : scorer.by) && !run.scorings.some((one) => one.counted && one.id === id);
      run.scorings.push({ id, entry: used.add(entry) && entry, counted, counts: await once(entry.sha, () => readScoring(world, run, entry)) });
    }
  });
  await step("V-9", async () => { // an opening reveals the nonce that was committed at registration, and its sealed file lies here
    for (const { conclusion, id, entry, party } of ended) for (const asked of of("challenge", id, (one) => one.subjects[0] === conclusion.sha)) {
      const { commit } = entry.said.drawCommits.find((one) => one.auditor === asked.party) ?? {};
      for (const { said, subjects } of of("open", id, (one) => one.party === party && one.subjects[0] === asked.sha)) {
        if (hex(await tagged("draw-commit", unhex(said.nonce))) !== commit) continue;
        const path = `${party}/outbox/${asked.party}/${said.plaintext}.age`, raw = read(files, path);
        if ((await digest(raw)) !== subjects[1]) throw (raw.length ? wrong : lacking)("A-4", path);
      }
    }
  });
  const closings = of("close", undefined, ({ party, index, said: { heads, text, position }, subjects }) => {
    const spoken = text ? equal(Object.keys(text).sort(), [...plan.texts].sort()) && Object.values(text).every(Boolean) : position === "endorse";
    const mine = heads[plan.parties.findIndex(({ id }) => id === party)]; // nobody can close over its own close
    return spoken && subjects.length === 1 && mine.size <= index && equal(heads.map((head) => head.origin), plan.parties.map((one) => one.log.origin));
  });
  const listed = entries.filter((one) => ["accept", "register", "conclude", "score"].includes(one.kind) && !used.has(one));
  return { runs, closings, listed: [...listed, ...world.unread.filter((one) => one.index < sizes[one.party])] };
}
