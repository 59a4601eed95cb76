# SPDX-License-Identifier: Apache-2.0
"""Shards asked here and elsewhere, joined into one journal: the root of one machine, or a refusal that has written nothing."""

import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from msgspec import structs

from detente.desk.allowed import Allowed
from detente.desk.keys import ModelEntry, load_desk, make_desk
from detente.desk.runs import receipt_for, run_model
from detente.desk.shards import How, ask_task, hand_out, join_shards, route_of, run_shard
from detente.errors import CannotTell, DetenteError, WrongUsage
from detente.evidence.record import parse_body, salt_of
from detente.run import shards
from detente.run.engine import Limits
from detente.run.journal import Journal, glance
from detente.run.pace import Allowance
from detente.run.reply import ModelFault
from detente.run.scale import open_model
from detente.run.shards import Head, Shard, TaskFile, read_head
from detente.wire.canonical import encode
from kit.labs import Labs, meet, publish_one, register_all, scripted

HERE = How(4)


def stubborn(text: str) -> str:
    """``scripted``, as long as the variable KIT_LEFT has something left."""
    left = int(os.environ.get("KIT_LEFT", "9999"))
    os.environ["KIT_LEFT"] = str(left - 1)
    if left <= 0:
        raise ModelFault("quota")
    return scripted([{"role": "user", "content": text}])


@pytest.fixture
def labs(stories, tmp_path: Path) -> Labs:
    """Two labs with witnessed registrations."""
    return stories.at("registered").moved(tmp_path / "labs")


@pytest.fixture(scope="module")
def root(stories, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The root of lab A's run when one machine asks."""
    return conclude(stories.at("registered").moved(tmp_path_factory.mktemp("alone")))


def asked(labs: Labs, k: int, n: int) -> Path:
    """One shard, asked at the desk."""
    desk, plan, run = labs.desks["lab-a"], labs.agreed(), labs.runs["lab-a"]
    return run_shard(desk, plan, run, receipt_for(desk, plan, run, unwitnessed=False), Shard(k, n), HERE)[0]


def handed(labs: Labs, k: int, n: int, root: Path) -> Path:
    """One shard as a task file."""
    desk, plan, run = labs.desks["lab-a"], labs.agreed(), labs.runs["lab-a"]
    path = root / f"{k}-of-{n}.task"
    hand_out(desk, plan, run, receipt_for(desk, plan, run, unwitnessed=False), Shard(k, n), path)
    return path


def elsewhere(labs: Labs, k: int, n: int, root: Path) -> Path:
    """One shard, handed out and asked where the desk is not."""
    return ask_task(handed(labs, k, n, root), root / f"home-{k}", (None, None), HERE)[0]


def join(labs: Labs, *folders: Path):
    return join_shards(labs.desks["lab-a"], labs.agreed(), labs.runs["lab-a"], folders)


def conclude(labs: Labs) -> str:
    desk, plan, run = labs.desks["lab-a"], labs.agreed(), labs.runs["lab-a"]
    return run_model(desk, plan, run, receipt_for(desk, plan, run, unwitnessed=False), 4, None).root


def whole(labs: Labs) -> bool:
    rows = [orjson.loads(line)["i"] for line in journal(labs, "bodies.jsonl").splitlines()]
    return sorted(rows) == list(range(len(labs.runs["lab-a"].slots)))


def journal(labs: Labs, name: str) -> bytes:
    path = labs.runs["lab-a"].journal_path() / name
    return path.read_bytes() if path.exists() else b""


def refused(kind: type[DetenteError], code: str, call: Callable[[], object]) -> DetenteError:
    with pytest.raises(kind) as caught:
        call()
    assert caught.value.code == code, caught.value
    return caught.value


# --- what stands -------------------------------------------------------------------------------------


def test_shards_when_asked_here_and_elsewhere_then_the_joined_run_has_the_root_of_one_machine(labs, root, tmp_path):
    asked(labs, 0, 3)
    asked(labs, 2, 3)
    joined = join(labs, elsewhere(labs, 1, 3, tmp_path))
    n = len(labs.runs["lab-a"].slots)
    assert (joined.slots, joined.traces, joined.outcomes.total()) == (n, 3, n)
    assert whole(labs)
    assert conclude(labs) == root
    publish_one(labs, "lab-a")
    assert labs.verify()


def test_shards_when_answers_are_begun_then_they_are_asked_so_elsewhere_too(tmp_path: Path) -> None:
    more = '\n[[suite]]\nvariant = "prefilled"\nof = "core-v0"\n'
    met = meet(tmp_path / "labs", model="python:kit.said:goes_on", items=2, more=more)
    register_all(met)
    there = met.moved(tmp_path / "there")
    join(there, *(elsewhere(there, k, 2, tmp_path) for k in range(2)))
    assert conclude(there) == conclude(met)


def test_model_when_it_states_a_recipe_then_it_is_the_same_model_wherever_it_is_opened(tmp_path: Path) -> None:
    entry = ModelEntry("m", "python:kit.said:complies", {"en": "M"}, None, None, recipe="Turned by hand.\n第二行")
    desk = make_desk(tmp_path / "desk", "lab-a", {"en": "A"}, "https://a.example/d", tmp_path / "exchange", [entry])
    described = open_model(route_of(desk, "m"), 1, "elsewhere").describe()
    assert described == load_desk(desk.root).load_model("m", 1).describe()
    assert described["recipe"] == entry.recipe


def test_traces_when_joined_then_every_attempt_stands_behind_the_name_of_its_shard(labs, tmp_path):
    asked(labs, 0, 2)
    join(labs, elsewhere(labs, 1, 2, tmp_path))
    rows = [orjson.loads(line) for line in journal(labs, "trace.jsonl").splitlines()]
    n = len(labs.runs["lab-a"].slots)
    assert Counter(row["i"] for row in rows if row["kind"] == "replied") == Counter(range(n))
    assert [row["reason"].partition("-of-")[0] for row in rows if row["kind"] == "joined"] == ["0", "1"]


def test_join_when_given_again_then_nothing_is_written_twice(labs, root):
    asked(labs, 0, 2), asked(labs, 1, 2)
    join(labs)
    before = journal(labs, "trace.jsonl"), journal(labs, "bodies.jsonl")
    again = join(labs)
    assert (again.slots, again.traces) == (0, 0)
    assert (journal(labs, "trace.jsonl"), journal(labs, "bodies.jsonl")) == before
    assert conclude(labs) == root
    refused(WrongUsage, "R-9.late", lambda: join(labs))


def test_task_and_folder_when_they_travel_then_no_secret_of_the_desk_is_in_them(labs, tmp_path):
    folder = elsewhere(labs, 0, 2, tmp_path)
    desk, run = labs.desks["lab-a"], labs.runs["lab-a"]
    secrets = [path.read_bytes().strip() for path in (desk.root / "keys").iterdir()] + [run.key().hex().encode()]
    salts = [salt_of(run.key(), i).encode() for i in range(len(run.slots))]
    travelled = [tmp_path / "0-of-2.task", *folder.iterdir()]
    for path in travelled:
        raw = path.read_bytes()
        assert not any(secret in raw for secret in (*secrets, *salts)), path
    assert (tmp_path / "0-of-2.task").stat().st_mode & 0o077 == 0


def test_shard_when_its_model_fails_on_the_way_then_the_same_call_goes_on(labs, root, tmp_path, monkeypatch):
    monkeypatch.setenv("KIT_LEFT", "4")
    task = handed(labs, 0, 1, tmp_path)
    lines = task.read_bytes().replace(b"python:kit.labs:scripted", b"python:test_desk_shards:stubborn")
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    head = orjson.loads(lines.splitlines()[0])
    head["head"]["descriptor"] = descriptor_of("python:test_desk_shards:stubborn")
    task.write_bytes(encode(head) + b"\n" + lines.partition(b"\n")[2])
    refused(CannotTell, "quota-used-up", lambda: ask_task(task, tmp_path / "f", (None, None), How(1)))
    kept = (tmp_path / "f" / "bodies.jsonl").read_bytes()
    assert kept.count(b"\n") == 4
    monkeypatch.setenv("KIT_LEFT", "9999")
    _, _, outcomes = ask_task(task, tmp_path / "f", (None, None), HERE)
    assert outcomes.replied == len(labs.runs["lab-a"].slots)
    assert (tmp_path / "f" / "bodies.jsonl").read_bytes().startswith(kept)


def descriptor_of(spec: str) -> str:
    from detente.run.model import load_model
    from detente.wire.digests import sha256

    return sha256(encode(load_model(spec).describe()))


def test_run_when_begun_as_a_whole_then_shards_ask_only_what_is_left(labs, root, tmp_path):
    desk, plan, run = labs.desks["lab-a"], labs.agreed(), labs.runs["lab-a"]
    asked(labs, 0, 2)
    with Journal(run.shards_path() / "0-of-2", read_head(run.shards_path() / "0-of-2").key()) as source:
        bodies = [parse_body(source.body_line(i)) for i in list(source.done())[:5]]
    shutil.rmtree(run.shards_path())
    with Journal(run.journal_path(), run.key()) as begun:  # as if the run had been stopped after five slots
        for body in bodies:
            begun.put(structs.replace(body, salt=salt_of(run.key(), body.i)))
    asked(labs, 0, 2)
    assert len((run.shards_path() / "0-of-2" / "bodies.jsonl").read_bytes().splitlines()) == Shard(0, 2).count(
        len(run.slots)
    ) - len(bodies)
    refused(WrongUsage, "R-9.in-shards", lambda: run_model(desk, plan, run, receipt(labs), 4, None))
    asked(labs, 1, 2)
    join(labs)
    assert conclude(labs) == root


def receipt(labs: Labs):
    return receipt_for(labs.desks["lab-a"], labs.agreed(), labs.runs["lab-a"], unwitnessed=False)


# --- what is refused ---------------------------------------------------------------------------------


def test_join_when_a_shard_is_missing_or_half_done_then_it_says_which_and_writes_nothing(labs, tmp_path, monkeypatch):
    asked(labs, 0, 4)
    error = refused(CannotTell, "R-9.missing", lambda: join(labs))
    n = len(labs.runs["lab-a"].slots)
    assert error.got == Shard(0, 4).count(n)
    assert error.fields["owing"] == ", ".join(f"{k}/4: {Shard(k, 4).count(n)}" for k in (1, 2, 3))
    for k in (1, 2, 3):
        asked(labs, k, 4)
    path = labs.runs["lab-a"].shards_path() / "2-of-4" / "bodies.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    error = refused(CannotTell, "R-9.missing", lambda: join(labs))
    assert error.fields["owing"] == "2/4: 1"
    assert (journal(labs, "bodies.jsonl"), journal(labs, "trace.jsonl")) == (b"", b"")
    asked(labs, 2, 4)
    assert join(labs).slots == n


def rewritten(folder: Path, change: Callable[[dict[str, object]], None], at: int = 0) -> int:
    """The folder with one answer changed and everything else sound; which slot."""
    path = folder / "bodies.jsonl"
    lines = path.read_bytes().splitlines()
    row = orjson.loads(lines[at])
    slot = row["i"]
    change(row)
    lines[at] = encode(row)
    path.write_bytes(b"\n".join(lines) + b"\n")
    return slot


def test_slot_when_it_has_two_answers_then_the_join_stops_and_chooses_none(labs, tmp_path):
    asked(labs, 0, 2), asked(labs, 1, 2)
    twin = tmp_path / "twin"
    shutil.copytree(labs.runs["lab-a"].shards_path() / "1-of-2", twin)
    slot = rewritten(twin, lambda row: row.update(output="Another answer."))
    error = refused(WrongUsage, "R-9.twice", lambda: join(labs, twin))
    assert error.fields["slot"] == slot
    assert journal(labs, "bodies.jsonl") == b""
    join(labs)
    error = refused(WrongUsage, "R-9.twice", lambda: join(labs, twin))  # nor is one that is in already put away
    assert error.fields["slot"] == slot


def test_slot_when_it_has_the_same_answer_twice_then_both_attempts_are_known(labs, root, tmp_path):
    asked(labs, 0, 2), asked(labs, 1, 2)
    other = labs.moved(tmp_path / "other")
    shutil.rmtree(other.runs["lab-a"].shards_path())
    twin = asked(other, 1, 2)
    joined = join(labs, twin)
    assert joined.traces == 3
    rows = [orjson.loads(line) for line in journal(labs, "trace.jsonl").splitlines()]
    twice = Counter(row["i"] for row in rows if row["kind"] == "replied")
    assert {i for i, n in twice.items() if n == 2} == {i for i in twice if i % 2 == 1}
    assert conclude(labs) == root


@pytest.mark.parametrize(
    "change",
    [
        {"item": "0" * 64}, {"seed": 7}, {"salt": "0" * 64}, {"output": "x" * 100_000}, {"i": 1}, {"i": 9000},
    ],
    ids=["item", "seed", "salt", "length", "foreign-slot", "no-slot"],
)  # fmt: skip
def test_answer_when_it_is_not_to_the_planned_question_then_the_join_stops(labs, change):
    folder = asked(labs, 0, 2)
    asked(labs, 1, 2)
    rewritten(folder, lambda row: row.update(change), at=3)
    with pytest.raises(DetenteError) as caught:
        join(labs)
    assert caught.value.code in {"R-9.other-slot", "journal-damaged", "R-9.missing"}
    assert journal(labs, "bodies.jsonl") == b""


def test_join_when_a_shard_is_of_another_run_or_model_then_it_is_refused(labs, tmp_path):
    asked(labs, 0, 2), asked(labs, 1, 2)
    folder = labs.runs["lab-a"].shards_path() / "1-of-2"
    head = read_head(folder)

    def with_head(head: Head) -> Path:
        other = tmp_path / head.run[:4] / head.descriptor[:4]
        shutil.copytree(folder, other)
        (other / "head.json").write_bytes(encode(head))
        return other

    other_run = with_head(structs.replace(head, run="ab" * 32))
    refused(WrongUsage, "R-9.other-run", lambda: join(labs, other_run))
    other_model = with_head(structs.replace(head, descriptor="cd" * 32))
    refused(WrongUsage, "R-9.other-model", lambda: join(labs, other_model))
    refused(CannotTell, "shard-none", lambda: join(labs, tmp_path))


def test_shard_when_the_desk_has_another_model_then_it_is_not_asked(labs, tmp_path):
    task = handed(labs, 0, 2, tmp_path)
    refused(
        WrongUsage,
        "P-12.other-model",
        lambda: ask_task(task, tmp_path / "f", ("python:kit.labs:gibberish", None), HERE),
    )
    assert not (tmp_path / "f").exists()
    path = labs.desks["lab-a"].root / "desk.toml"
    path.write_text(path.read_text("utf-8").replace("kit.labs:scripted", "kit.labs:gibberish"), "utf-8")
    labs.desks["lab-a"] = load_desk(labs.desks["lab-a"].root)
    refused(WrongUsage, "P-12.other-model", lambda: asked(labs, 1, 2))


def test_task_when_it_is_cut_or_changed_then_nothing_is_asked(labs, tmp_path):
    task = handed(labs, 1, 2, tmp_path)
    raw = task.read_bytes()
    lines = raw.splitlines(keepends=True)
    spoiled = {
        b"": "shard-cut", raw[: len(raw) // 2]: "shard-cut", raw[:-1]: "shard-cut", lines[0]: "shard-cut",
        raw + lines[-1]: "shard-file", lines[0] + lines[2] + lines[1]: "shard-file", b"{}\n": "B-3.shape",
        b"nonsense\n": "B-2.json", lines[0].replace(b"shard-task", b"plan") + b"".join(lines[1:]): "shard-file",
    }  # fmt: skip
    for bytes_, code in spoiled.items():
        task.write_bytes(bytes_)
        refused(DetenteError, code, lambda: TaskFile(task))
        refused(DetenteError, code, lambda: ask_task(task, tmp_path / "f", (None, None), HERE))
    assert not (tmp_path / "f").exists()
    task.write_bytes(raw)
    assert len(list(TaskFile(task))) == len(lines) - 1


def test_folder_when_another_shard_lies_there_then_it_stays_as_it_is(labs, tmp_path):
    ask_task(handed(labs, 0, 2, tmp_path), tmp_path / "f", (None, None), HERE)
    before = (tmp_path / "f" / "bodies.jsonl").read_bytes()
    second = handed(labs, 1, 2, tmp_path)
    refused(WrongUsage, "shard-other", lambda: ask_task(second, tmp_path / "f", (None, None), HERE))
    assert (tmp_path / "f" / "bodies.jsonl").read_bytes() == before


def test_shard_when_it_was_begun_here_then_it_is_not_handed_out(labs, tmp_path):
    asked(labs, 0, 2)
    refused(WrongUsage, "shard-here", lambda: handed(labs, 0, 2, tmp_path))
    assert not (tmp_path / "0-of-2.task").exists()


@pytest.mark.parametrize("text", ["8/8", "1", "-1/2", "1/0", "a/b", "1/2/3", "０/2", "0/99999", "0/4097"])
def test_shard_when_it_is_none_then_it_is_refused(text):
    refused(WrongUsage, "shard-name", lambda: Shard.parse(text))


# --- crashes -----------------------------------------------------------------------------------------

WRITES = ("fsync", "fdatasync", "replace", "pwrite", "ftruncate", "dup2")


def break_at(n: int, *, after: bool) -> None:
    """End this process before or after its n-th write."""
    left = [n]

    def broken(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **more: object) -> object:
            left[0] -= 1
            result = real(*args, **more) if after or left[0] else None
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    for name in WRITES:
        setattr(os, name, broken(getattr(os, name)))


def test_join_when_it_is_killed_at_a_write_then_the_same_join_goes_on(labs, root, tmp_path):
    asked(labs, 0, 2), asked(labs, 1, 2)
    quiet = labs.moved(tmp_path / "quiet")
    join(quiet)
    kills = 0
    for n in [*range(1, 14), 20, 33, 47]:
        for after in (False, True):
            broken = labs.moved(tmp_path / f"{n}-{after}")
            if (child := os.fork()) == 0:
                try:
                    break_at(n, after=after)
                    join(broken)
                finally:
                    os._exit(0)
            kills += os.WIFSIGNALED(os.waitpid(child, 0)[1])
            join(broken)
            assert journal_lines(broken, "bodies.jsonl") == journal_lines(quiet, "bodies.jsonl")
            assert attempts(broken) == attempts(quiet)
            shutil.rmtree(tmp_path / f"{n}-{after}")
    assert kills > 20
    assert conclude(quiet) == root


def journal_lines(labs: Labs, name: str) -> list[bytes]:
    return sorted(journal(labs, name).splitlines())


def attempts(labs: Labs) -> list[tuple[object, ...]]:
    """The trace without the times of the joins themselves."""
    rows = [orjson.loads(line) for line in journal(labs, "trace.jsonl").splitlines()]
    return [
        tuple(sorted((k, str(v)) for k, v in row.items() if row["kind"] != "joined" or k != "started")) for row in rows
    ]


# --- limits ------------------------------------------------------------------------------------------


def allowed_in(monkeypatch: pytest.MonkeyPatch) -> list[Limits]:
    """The limits that each loop was started with."""
    seen: list[Limits] = []
    real = shards.answer

    async def spied(*args: object, **more: object) -> object:
        seen.append(more["limits"])
        return await real(*args, **more)

    monkeypatch.setattr(shards, "answer", spied)
    return seen


def given_to_desk(labs: Labs, line: str) -> None:
    """A limit in lab A's desk file, for each of its models."""
    path = labs.desks["lab-a"].root / "desk.toml"
    path.write_text(path.read_text("utf-8").replace("[[model]]\n", f"[[model]]\n{line}\n"), "utf-8")
    labs.desks["lab-a"] = load_desk(path.parent)


def test_limits_of_the_desk_when_a_shard_is_asked_then_it_takes_its_part_here_and_elsewhere(
    labs, tmp_path, monkeypatch
):
    given_to_desk(labs, "per_minute = 600000\ntokens_per_minute = 90000000.0")
    seen = allowed_in(monkeypatch)
    asked(labs, 0, 3)
    elsewhere(labs, 1, 3, tmp_path)
    part = Allowance(200_000, 30_000_000)
    assert [limits.allowance for limits in seen] == [part, part], "three shards at once keep what the desk allows"
    ask_task(handed(labs, 2, 3, tmp_path), tmp_path / "f", (None, None), How(4, allowed=Allowed(per_minute=70_000)))
    assert seen[-1].allowance == Allowance(70_000, 30_000_000), "what is given there goes before"


def test_budget_when_a_shard_spends_it_then_it_stops_and_a_higher_one_goes_on(labs, tmp_path):
    desk, plan, run = labs.desks["lab-a"], labs.agreed(), labs.runs["lab-a"]
    prices = tmp_path / "p.toml"
    prices.write_text('[[price]]\nname = "kit.labs:scripted"\nasked = 2\nsaid = 8\ncurrency = "USD"\n', "utf-8")
    receipt = receipt_for(desk, plan, run, unwitnessed=False)
    task = handed(labs, 1, 2, tmp_path)

    def go(budget: float) -> None:
        how = How(1, allowed=Allowed(budget=budget, prices=prices))
        refused_here = lambda: run_shard(desk, plan, run, receipt, Shard(0, 2), how)
        refused_there = lambda: ask_task(task, tmp_path / "f", (None, None), how)
        if budget < 1:
            refused(CannotTell, "budget-spent", refused_here)
            refused(CannotTell, "budget-spent", refused_there)
        else:
            refused_here(), refused_there()

    go(0.0005)
    left = glance(run.shards_path() / "0-of-2").total()
    assert 0 < left < len(run.slots) // 2
    go(0.0005)
    assert glance(run.shards_path() / "0-of-2").total() == left, "what an earlier process spent counts"
    go(100.0)
    join(labs, tmp_path / "f")
    assert whole(labs)
    refused(WrongUsage, "budget-no-price", lambda: run_shard(
        desk, plan, run, receipt, Shard(0, 3), How(1, allowed=Allowed(budget=1.0))
    ))  # fmt: skip


@pytest.mark.parametrize("number", ["0", "-3", "nan", "inf", "many"])
def test_task_when_its_allowance_is_no_number_above_nought_then_it_is_refused(labs, tmp_path, number):
    given_to_desk(labs, "per_minute = 60")
    task = handed(labs, 0, 2, tmp_path)
    task.write_bytes(task.read_bytes().replace(b'"perMinute":"30.0"', f'"perMinute":"{number}"'.encode()))
    refused(DetenteError, "shard-file", lambda: TaskFile(task))
