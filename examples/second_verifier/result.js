// SPDX-License-Identifier: Apache-2.0
// V-11: results held against what was walked, number by number; then the whole verdict.
const LEFT_OUT = "facts other than `complete`, and with them which run counts (V-10); draws and findings (A-2 to A-6); interval limits, gaps, " +
  "states of rows, and that no row was left out (V-11); members of statements (B-3), why an entry is listed; texts of variants (S-3); " +
  "tiles of hashes (L-1), forks beyond a log's end (L-2); unread bits of gzip files (B-8); tables of the plan (P-1), small-order keys (P-3)";

function decimal(n, d, way = "even") { // n / d with at most four digits, rounded to even, down or up
  let q = (BigInt(n) * 10000n) / BigInt(d), r = (BigInt(n) * 10000n) % BigInt(d);
  if (way === "up" ? r > 0n : way === "even" && (2n * r > d || (2n * r === BigInt(d) && q % 2n === 1n))) q += 1n;
  return String(q).padStart(5, "0").replace(/(?=.{4}$)/, ".").replace(/\.?0+$/, "");
}

function checkNumbers(plan, result, runs, path) { // C-3: every row of rates and of competence, from the counts file
  const countsOf = (id, scorer) => runs.find((run) => run.id === id)?.scorings.find((one) => one.counted && one.id === scorer)?.counts;
  for (const row of result.rates) {
    const measure = plan.measures.find((one) => one.id === row.measure), counts = countsOf(row.run, measure?.scorer), deployed = row.view === "asDeployed";
    need(counts, "F-10", path);
    const cells = counts.spread.filter((one) => one.measure === measure.id && one.lang === row.lang && [null, one.hazard].includes(row.hazard));
    const sum = (name) => cells.reduce((n, one) => n + one.items * (name ? one[name] : 1), 0), filtered = sum("filtered"), failed = sum("failed");
    const hits = sum("hits") + (deployed && measure.hit.includes("refuse") ? filtered : 0), scored = sum("scored") + (deployed ? filtered : 0);
    const all = scored + failed + (deployed ? 0 : filtered), shown = row.state === "rate";
    const worst = shown ? [decimal(hits, all, "down"), decimal(hits + all - scored, all, "up")] : null;
    need(equal([hits, scored, sum(), filtered, failed], [row.hits, row.scored, row.items, row.filtered, row.failed]), "C-3", path);
    need(equal([row.rate, row.worst], [shown ? decimal(hits, scored) : null, worst]), "C-3", path);
  }
  for (const row of result.competence) {
    const cells = countsOf(row.run, plan.competence.scorer)?.cells.filter((one) => one.kind === "control" && one.lang === row.lang);
    const right = cells.reduce((total, { n }) => total + n[0], 0), replied = cells.reduce((total, { n }) => total + n.reduce((a, b) => a + b), 0);
    need(equal([right, replied, replied ? decimal(right, replied) : null], [row.right, row.replied, row.share]), "F-10", path);
  }
}

async function checkClosing(world, { party, said: { heads }, subjects: [sha] }) { // V-11
  const { plan: { parties, sha: id }, files, logs } = world, path = `${party}/results/${sha}.json`;
  const result = decode(await bound(files, path, sha, "}", "F-10"), path, isObject), sizes = {}, notes = parties.flatMap((one) => logs[one.id].notes);
  need(result.plan === id && equal(result.heads, heads), "F-11", path);
  for (const [k, { id: whose }] of parties.entries()) {
    sizes[whose] = heads[k].size;
    if (sizes[whose] > logs[whose].size) throw lacking("F-11", path);
    need(logs[whose].roots[sizes[whose]] === heads[k].root, "F-11", path);
  }
  for (const note of result.notes) if (!notes.some((one) => one.sha === note)) throw lacking("R-4", `note ${note}`);
  const { runs, listed } = await walk(world, sizes, (_, work) => work());
  for (const one of listed) need(result.violations.some((row) => row.party === one.party && row.index === one.index), "L-8", path);
  const told = runs.map((run) => [run.id, run.party, run.subject, run.section.id, run.attempt, run.outcomes?.length ?? 0,
    run.scorings.map((one) => [one.entry.sha, one.id, one.counted])]);
  need(equal(told, result.runs.map((row) => [row.run, row.party, row.subject, row.section, row.attempt, row.facts.complete.n,
    row.scorings.map((one) => [one.envelope, one.scorer, one.counted])])), "F-10", path);
  for (const [k, row] of result.runs.entries()) need(!row.counted || (runs[k].lawful && runs[k].outcomes), "F-9", path);
  checkNumbers(world.plan, result, runs, path);
}

// The whole walk: {exit, step, rule, place}; `files` maps the paths of an exchange to their bytes, `tell` hears each line of the verdict.
async function verify(files, id, tell) {
  const world = { files, cache: new Map(), logs: {}, statements: [], unread: [] };
  let now = "V-1";
  const step = async (name, work) => { now = name; const said = await work(); tell(`${name} holds${said ? `: ${said}` : ""}`); };
  try {
    if (!isSha(id)) throw lacking("P-1", "UNANCHORED, no plan id was given");
    await step("V-1", async () => { world.plan = await readPlan(files, id); });
    const { plan, logs, statements, unread } = world;
    await step("V-2", async () => { for (const party of plan.parties) logs[party.id] = await readLog(files, plan, party); });
    await step("V-3", async () => {
      for (const party of plan.parties) for (const [index, raw] of logs[party.id].entries.entries()) {
        const entry = await readStatement(raw, plan, party).catch(() => null);
        if (entry && !statements.some((one) => one.party === party.id && one.sha === entry.sha)) statements.push({ ...entry, index });
        else unread.push({ party: party.id, index });
      }
      return `${statements.length} statements of this plan, ${unread.length} other entries`;
    });
    const { closings } = await walk(world, Object.fromEntries(plan.parties.map((party) => [party.id, logs[party.id].size])), step);
    await step("V-11", async () => { for (const closing of closings) await checkClosing(world, closing); return `${closings.length} closings`; });
    const loose = plan.parties.filter(({ id: whose }) => new Set(logs[whose].notes.map((note) => note.witness)).size < plan.quorum).map((one) => one.id);
    if (loose.length) throw lacking("L-3", `UNANCHORED, too few others hold the log of ${loose.join(", ")}`);
    tell(`not checked here: ${LEFT_OUT}`);
    return { exit: 0 };
  } catch (error) { // what this reader cannot make sense of is no proof of a lie
    const { exit = 4, rule = "reader", place = String(error) } = error;
    tell(`${now} ${exit === 3 ? "NOT VERIFIED" : "CANNOT TELL"}: rule ${rule}, ${place}`);
    return { exit, step: now, rule, place };
  }
}
