// SPDX-License-Identifier: Apache-2.0
// V-4, the plans before this one: their logs as far as they count, and what a result says of their runs (P-11).
async function endedLog(files, { parties, ...old }, party, head) { // what its last head covers of a log that ended, from whoever has it
  if (head.size === 0) return readTree(files, "-", head);
  const folders = [logFolder({ parties, ...old }, party)], errors = [];
  for (const { id } of seersOf({ parties, ...old })) folders.push(await mirrorOf(id, party.log.origin));
  for (const folder of folders) for (const isWhole of [false, true]) {
    try {
      const place = `${folder}/checkpoint`, log = await readTree(files, folder, isWhole ? await readNote(read(files, place), party.log, null, place) : head);
      await checkHead(log, head, folder);
      return { ...log, entries: log.entries.slice(0, head.size), size: head.size };
    } catch (error) { errors.push(error); }
  }
  throw errors.find((error) => error.exit === 3) ?? errors[0]; // whoever has other bytes says more than whoever has none
}
async function checkHead(log, head, place) {
  if (log.size < head.size) throw lacking("P-11", place);
  need((await log.rootAt(head.size)) === head.root, "P-11", place);
}

async function readChain({ files, plan, logs }) { // by earlier plan, the nearest first: {plan, logs: [{party, log, notes, head, statements, ...}]}
  checkChain(plan);
  const chain = [plan, ...plan.earlier], generations = [];
  for (const [k, old] of plan.earlier.entries()) {
    const generation = { plan: old, logs: [] }, next = chain[k], others = chain.filter((one) => one !== old);
    for (const [n, party] of old.parties.entries()) {
      const head = next.supersedes.heads[n], { origin } = party.log, goesOn = hasLog(plan, party.id, origin), after = partyIn(next, party.id);
      const last = chain.flatMap((one) => one.supersedes?.heads ?? []).find((one) => one.origin === origin); // the newest that names this log
      const log = goesOn ? logs[party.id] : await endedLog(files, old, party, last), keys = new Map();
      let notes = await notesOver(files, old, party, others);
      if (!goesOn) notes = notes.filter((note) => note.size <= last.size);
      await checkHead(log, head, party.id);
      await checkHistory(log, notes, party.id);
      for (const { id } of seersOf(old)) for (const name of witnessKeys(old, id, others).keys()) keys.set(name, id);
      const { statements, listed } = await readEntries(log, old, party, others);
      generation.logs.push({ party: party.id, log, head: head.size, goesOn, statements,
        notes: notes.map((note) => ({ ...note, witness: keys.get(note.witness) })),
        listed: hasLog(plan, party.id, origin) || hasLog(next, party.id, origin) ? [] : listed, // else with the last plan that has the log
        mayEnd: after?.log.key === party.log.key && after.statement === party.statement });
    }
    generations.push(generation);
  }
  return generations;
}

async function readMoved({ plan, logs }) { // by party: where its log first holds its acceptance of a plan that supersedes this one
  const moved = {};
  for (const party of plan.parties) for (const [index, raw] of logs[party.id].entries.entries()) {
    const said = await Promise.all(plan.later.map((later) => saidUnder(raw, party, later)));
    if (said.some((one, k) => one?.kind === "accept" && equal(one.subjects, [plan.later[k].sha]))) moved[party.id] ??= index;
  }
  return moved;
}
async function findSuccessor({ files, plan }) { // the newest plan lying here that supersedes this one and that all its parties accepted
  for (const later of [...plan.later].reverse()) {
    const accepts = async (party) => {
      const folder = logFolder(later, party), head = await readNote(read(files, `${folder}/checkpoint`), party.log, null, folder);
      const { statements } = await readEntries(await readTree(files, folder, head), later, party, []);
      return statements.some(({ kind, subjects }) => kind === "accept" && equal(subjects, [later.sha]));
    };
    try { checkChain(later); if ((await Promise.all(later.parties.map(accepts))).every(Boolean)) return later.sha; } catch { /* not all of it is here */ }
  }
  return null;
}

function limitOf(old, sizes) { return old.goesOn ? sizes[old.party] : old.log.size; } // how many entries of an earlier log a view shows
function earlierRows(chain, sizes, may) { // F-10: the rows of `earlier`, and the digests of the notes that they rest on
  const used = [], rows = chain.map(({ plan, logs }) => {
    const runs = [], violations = [], deadline = secondsOf(plan.runs.deadline);
    for (const old of logs) {
      const limit = limitOf(old, sizes), notes = old.notes.filter((note) => note.size <= limit && may(note) && countersOf(plan).includes(note.witness));
      const running = new Set(), ends = {}, attempts = {}, { party } = old;
      const counts = ({ index, kind, said }) => index < old.head || (kind === "conclude" && running.has(said.run) && old.mayEnd);
      used.push(...notes.map((note) => note.sha));
      for (const entry of old.statements.filter((one) => one.index < limit)) {
        if (!counts(entry)) { violations.push({ code: "P-11.beyond", index: entry.index, party }); continue; }
        if (entry.kind === "register") running.add(entry.sha);
        if (entry.kind === "conclude") ends[entry.said.run] ??= entry;
      }
      for (const { sha: run, index, said: { subject, section } } of old.statements.filter((one) => running.has(one.sha))) {
        if (!plan.tests.some((one) => equal(one, { party, subject, section }))) continue;
        const attempt = (attempts[`${subject} ${section}`] = (attempts[`${subject} ${section}`] ?? 0) + 1);
        runs.push({ attempt, party, run, section, subject, ...endOf(deadline, notes, index, ends[run]) });
      }
      violations.push(...old.listed.filter((one) => one.index < limit));
    }
    return { plan: plan.sha, runs, violations: violations.sort((x, y) => inOrder([x.party, x.index], [y.party, y.index])) };
  });
  return { rows, used };
}
function handedBefore(plan, chain, sizes, may) { // suites that were released under an earlier plan, told by their lists: [{to, size, suites}]
  const handed = [];
  for (const { plan: old, logs } of chain) {
    const entries = logs.flatMap((one) => one.statements.filter((entry) => entry.index < limitOf(one, sizes)));
    for (const { party, said } of entries.filter((one) => one.kind === "release")) {
      const to = entries.find((one) => one.kind === "register" && one.sha === said.run)?.party, log = logs.find((one) => one.party === to);
      const isHeld = log?.notes.some((note) => note.witness === party && note.size === said.size && note.size <= limitOf(log, sizes) && may(note));
      const lists = said.sealed.map((row) => byId(old.suites, row.suite)?.list);
      const suites = idsOf(plan.suites.filter((one) => one.sealed && lists.includes(one.list)));
      if (isHeld) handed.push({ to, size: log.goesOn ? said.size : 0, suites });
    }
  }
  return handed;
}
