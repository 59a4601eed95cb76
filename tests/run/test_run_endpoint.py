# SPDX-License-Identifier: Apache-2.0
"""The HTTP client against a real server: what is sent, whose certificate is believed, and where a key never shows up."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from detente.errors import CannotTell, WrongUsage
from detente.run.model import Message, ModelFault, Reply, load_model
from kit import faults
from kit.asking import GREEDY, QUICK, ask, lines, prompt, prompts
from kit.model import Answer, Asked, ScriptedModel

KEY = "sk-do-not-tell-0123456789"


def once(spec: str, *, timeout_s: float = 5.0, **given: str | None) -> Reply:
    async def go() -> Reply:
        model = load_model(spec, timeout_s=timeout_s, **given)
        try:
            return await model.generate(prompt(0, "hello"), GREEDY)
        finally:
            await model.close()

    return asyncio.run(go())


def test_request_when_all_is_given_then_the_endpoint_sees_it_all() -> None:
    with ScriptedModel(lambda _: "hi") as server:
        assert once(server.spec("m/1"), system="be brief", key=KEY).output == "hi"
    asked = server.asked[0]
    assert asked.body == {
        "model": "m/1",
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}],
        "temperature": 0.0,
        "max_tokens": 64,
        "seed": 1000,
    }
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.headers["user-agent"].startswith("detente/")


def test_system_prompt_when_the_messages_bring_their_own_then_it_is_not_said_twice() -> None:
    with ScriptedModel(lambda _: "hi") as server:
        model = load_model(server.spec(), system="be brief")
        question = prompt(0)._replace(messages=(Message("system", "be long"), Message("user", "hello")))
        asyncio.run(model.generate(question, GREEDY))
    assert [m["content"] for m in server.asked[0].body["messages"]] == ["be long", "hello"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (faults.RESET, "reset"),
        (faults.HALF_BODY, ("garbage", "reset")),
        (faults.HALF_JSON, "garbage"),
        (faults.LOGIN_PAGE, "garbage"),
        (faults.WHOLE._replace(delay_s=2.0), "timeout"),
        (Answer(307, b"", (("Location", "http://127.0.0.1:1/steal"),)), "garbage"),
    ],
    ids=["reset", "half a body", "half JSON", "login page", "too slow", "redirect"],
)
def test_fault_when_the_server_misbehaves_then_its_kind_is_known(answer: Answer, kind: str | tuple[str, ...]) -> None:
    with ScriptedModel(lambda _: answer) as server, pytest.raises(ModelFault) as caught:
        once(server.spec(), timeout_s=0.5, key=KEY)
    assert caught.value.kind in ((kind,) if isinstance(kind, str) else kind)
    assert KEY not in repr(caught.value)


def test_fault_when_nobody_listens_or_no_such_host_is_known_then_it_is_unavailable() -> None:
    for url in ("http://127.0.0.1:1/v1", "http://no-such-host.invalid/v1"):
        with pytest.raises(ModelFault) as caught:
            once(f"openai:{url}#m")
        assert caught.value.kind == "unavailable"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://h/v1#m",
        "https://h/v1",
        "https:///v1#m",
        f"https://user:{KEY}@h/v1#m",
        f"https://h/v1?key={KEY}#m",
        f"https://h/v1?api-version=1&key={KEY}#m",
        "https://h:99999/v1#m",
    ],
)
def test_address_when_it_does_not_fit_or_carries_a_key_then_it_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(WrongUsage, match="endpoint-url") as caught:
        load_model(f"openai:{url}")
    assert KEY not in str(caught.value)


def test_key_when_it_holds_a_line_end_then_it_is_refused_without_repeating_it() -> None:
    with pytest.raises(WrongUsage, match="endpoint-key") as caught:
        load_model("openai:https://h/v1#m", key=f"{KEY}\n")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (faults.WRONG_KEY, "key-refused"),
        (faults.error(403, None, "not yours"), "key-refused"),
        (faults.NO_MODEL, "model-not-found"),
        (faults.NO_MONEY, "quota-used-up"),
    ],
)
def test_run_when_key_model_or_account_are_refused_then_it_stops_at_once_and_tells_no_key(
    answer: Answer, code: str, tmp_path: Path
) -> None:
    with ScriptedModel(lambda _: answer) as server, pytest.raises(CannotTell) as caught:
        ask(load_model(server.spec(), key=KEY), tmp_path, prompts(200), concurrency=4)
    assert caught.value.code == code
    assert server.count <= 4
    assert lines(tmp_path) == {}
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert KEY not in str(caught.value)
    assert KEY.encode() not in written


def test_descriptor_when_it_is_made_then_it_holds_address_and_name_and_no_key() -> None:
    described = load_model("openai:https://h/v1/#m", system="be brief", key=KEY).describe()
    assert described["endpoint"] == "https://h/v1"
    assert described["name"] == "m"
    assert len(described["systemPrompt"]) == 64
    assert KEY not in repr(described)


def test_azure_address_when_it_names_a_version_then_the_version_stays_in_the_query() -> None:
    with ScriptedModel(lambda asked: asked.path) as server:
        assert (
            once(f"openai:{server.url}?api-version=2024-10-21#m").output
            == "/v1/chat/completions?api-version=2024-10-21"
        )


def test_connection_when_the_server_closed_it_meanwhile_then_the_question_is_asked_again(tmp_path: Path) -> None:
    def torn(asked: Asked) -> Answer | None:
        return faults.RESET if asked.attempt == 1 and asked.text.endswith("3") else None

    with ScriptedModel(fault=torn) as server:
        assert ask(server.spec(), tmp_path, prompts(20), limits=QUICK).replied == 20


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate authority of our own and a server certificate for localhost, made with openssl."""
    folder = tmp_path_factory.mktemp("tls")
    (folder / "ext").write_text("subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n")
    for command in (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=ours -days 2",
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout s.key -out s.csr -subj /CN=localhost",
        "x509 -req -in s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out s.pem -days 2 -extfile ext",
    ):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    return folder


def test_certificate_when_the_authority_is_ones_own_then_the_usual_variable_makes_it_known(
    authority: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "s.pem", authority / "s.key")
    with ScriptedModel(lambda _: "hi", tls=context) as server:
        with pytest.raises(CannotTell, match="endpoint-certificate"):
            ask(server.spec(), tmp_path, prompts(3))
        monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
        assert ask(server.spec(), tmp_path, prompts(3)).replied == 3


@pytest.mark.skipif(shutil.which("node") is None, reason="not installed: node")
def test_endpoint_when_it_speaks_http2_and_nothing_else_then_it_is_asked_all_the_same(
    authority: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = Path(__file__).resolve().parents[1] / "kit" / "http2.js"
    command = ["node", script, authority / "s.key", authority / "s.pem"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = server.stdout.readline().strip()
            monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
            model = load_model(f"openai:https://localhost:{port}/v1#m", key=KEY)
            assert ask(model, tmp_path, prompts(40), concurrency=8).replied == 40
        finally:
            server.kill()
        asked = [json.loads(line) for line in server.stdout]
    assert b'"question 39!"' in lines(tmp_path)[39]
    assert len(asked) == 40
    assert {(one["path"], one["key"]) for one in asked} == {("/v1/chat/completions", f"Bearer {KEY}")}


def test_proxy_when_the_environment_names_one_then_requests_go_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedModel(lambda _: "through the proxy") as server:
        # A proxy is asked with the whole address in the request line; this server only looks at the path's end.
        server.answer = lambda path, headers, raw: (  # type: ignore[method-assign]
            ScriptedModel.answer(server, path.removeprefix("http://models.invalid"), headers, raw)
        )
        monkeypatch.setenv("HTTP_PROXY", server.url.removesuffix("/v1"))
        monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
        assert once("openai:http://models.invalid/v1#m").output == "through the proxy"

        server.answer = ScriptedModel.answer.__get__(server)  # type: ignore[method-assign]
        assert once(server.spec()).output == "through the proxy", "this machine itself is never asked through a proxy"
    assert server.asked[0].headers["host"] == "models.invalid"
