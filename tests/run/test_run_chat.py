# SPDX-License-Identifier: Apache-2.0
"""What answers of endpoints mean: an answer, a block, or a fault; never one in the clothes of another."""

import pytest

from detente.run.models.chat import read_answer, request_body
from detente.run.models.status import wait_of
from detente.run.reply import ModelFault, Reply, Sampling
from kit import faults
from kit.faults import BLOCKS, Block, error
from kit.model import Answer, completion


def read(answer: Answer, tokens: int = 64) -> Reply:
    headers = {name.lower(): value for name, value in answer.headers}
    reply = read_answer(answer.status, answer.body[: answer.only], tokens, headers.get("retry-after"))
    return reply._replace(asked=None)  # a test of its own


def fault(answer: Answer) -> ModelFault:
    with pytest.raises(ModelFault) as caught:
        read(answer)
    return caught.value


def test_answer_when_it_stopped_by_itself_then_it_is_replied_with_its_tokens() -> None:
    assert read(completion("Paris.", tokens=3)) == Reply("replied", "Paris.", tokens=3)


@pytest.mark.parametrize("finish", ["stop", "length", "content_filter", "tool_calls"])
def test_answer_when_the_endpoint_counts_the_questions_tokens_then_they_are_told(finish: str) -> None:
    body = completion("one two", finish, 2).body
    assert read_answer(200, body, 64).asked == 1
    for odd in (b"-1", b"true", b'"1"', b"1.5", b"null"):
        assert read_answer(200, body.replace(b'"prompt_tokens":1', b'"prompt_tokens":' + odd), 64).asked is None


def test_answer_when_its_length_is_the_plans_cap_then_it_is_replied_and_cut() -> None:
    assert read(completion("one two", "length", 2), tokens=2) == Reply("replied", "one two", cut=True, tokens=2)


def test_answer_when_something_else_cut_it_then_it_is_truncated() -> None:
    assert read(completion("one two", "length", 2), tokens=64) == Reply(
        "truncated", "one two", reason="length", tokens=2
    )
    assert read(completion("call", "tool_calls", 1)).outcome == "truncated"


def test_answer_when_all_tokens_went_into_hidden_reasoning_then_there_is_no_text_to_score() -> None:
    assert read(completion("", "length", 64)) == Reply("failed", None, reason="no-text", tokens=64)
    assert read(completion(None, "length", 64)).outcome == "failed"


def test_answer_when_the_model_says_nothing_by_itself_then_the_empty_text_is_its_answer() -> None:
    assert read(completion("", "stop", 0)) == Reply("replied", "", tokens=0)


def test_answer_when_it_comes_in_parts_then_they_are_joined() -> None:
    parts = completion(None)
    body = parts.body.replace(b'"content":null', b'"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]')
    assert read(parts._replace(body=body)).output == "ab"


def test_answer_when_it_holds_lone_surrogates_or_stray_bytes_then_they_are_mended() -> None:
    body = completion("X").body
    assert read(Answer(200, body.replace(b'"X"', b'"a\\ud800b"'))).output == "a\ufffdb"
    assert read(Answer(200, body.replace(b'"X"', b'"\\ud83d\\ude00"'))).output == "\U0001f600"
    assert read(Answer(200, body.replace(b'"X"', b'"a\xffb"'))).output == "a\ufffdb"


@pytest.mark.parametrize("block", BLOCKS, ids=[block.provider for block in BLOCKS])
def test_answer_when_a_filter_stepped_in_then_it_is_filtered_with_the_providers_own_reason(block: Block) -> None:
    assert read(block.answer) == Reply("filtered", None, reason=block.reason)


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        (faults.rate_limit(), "rate-limit", "rate_limit_exceeded"),
        (faults.SERVER_ERROR, "server", "server_error"),
        (faults.UNAVAILABLE, "unavailable", "http-503"),
        (faults.HALF_JSON, "garbage", "not-json"),
        (faults.LOGIN_PAGE, "garbage", "html"),
        (Answer(200, b"[1]"), "garbage", "not-an-object"),
        (Answer(200, b""), "garbage", "not-json"),
        (Answer(302, b""), "garbage", "http-302"),
        (faults.NO_CHOICES, "empty", "no-choice"),
        (faults.NULL_CHOICES, "empty", "no-choice"),
        (faults.NULL_TEXT, "empty", "no-text"),
        (completion("half of it", "network_error"), "server", "network_error"),
        (faults.WRONG_KEY, "refused-key", "invalid_api_key"),
        (Answer(403, b"<html>no</html>", faults.HTML), "forbidden", "http-403"),
        (faults.NO_MODEL, "not-found", "model_not_found"),
        (faults.NO_MONEY, "quota", "insufficient_quota"),
        (error(402, None, "pay"), "quota", "invalid_request_error"),
        (faults.TOO_LONG, "refused-request", "context_length_exceeded"),
        (Answer(422, b'{"detail":[{"msg":"bad"}]}'), "refused-request", "http-422"),
        (Answer(200, b'{"error":{"code":429,"message":"later"}}'), "rate-limit", "http-429"),
        (Answer(200, b'{"error":"overloaded"}'), "server", "error"),
    ],
    ids=str,
)
def test_answer_when_it_is_none_then_it_is_a_fault_of_its_kind(answer: Answer, kind: str, reason: str) -> None:
    found = fault(answer)
    assert (found.kind, found.reason) == (kind, reason)


def test_reason_when_a_provider_writes_prose_then_none_of_it_reaches_a_record() -> None:
    said = fault(error(400, "bad \x1b[31m request sk-secret!" * 9, "Incorrect API key provided: sk-secret"))
    assert said.reason == "invalid_request_error"


def test_wait_when_retry_after_is_seconds_or_a_date_then_both_are_understood() -> None:
    assert wait_of("1.5") == 1.5
    assert wait_of("Thu, 01 Jan 1970 00:01:00 GMT", now=20.0) == 40.0
    assert wait_of("Thu, 01 Jan 1970 00:00:00 GMT", now=20.0) == 0.0
    assert wait_of("soon") is None
    assert wait_of(None) is None


def test_request_when_top_p_is_one_and_no_seed_is_planned_then_neither_is_sent() -> None:
    messages = [{"role": "user", "content": "你好"}]
    assert request_body("m", messages, Sampling(0.0, 1.0), 9, None) == (
        '{"model":"m","messages":[{"role":"user","content":"你好"}],"temperature":0.0,"max_tokens":9}'.encode()
    )
    assert request_body("m", [], Sampling(0.7, 0.9), 9, 5).endswith(b'"max_tokens":9,"top_p":0.9,"seed":5}')
