# SPDX-License-Identifier: Apache-2.0
"""Faults to test with: what endpoints really send instead of an answer, and disks that fail before or after they wrote.

Bodies are written by hand after each provider's documented shape; none is a recording.
"""

import errno
import os
import zlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

import orjson

from kit.model import Answer, Asked, completion, filler

HTML = (("Content-Type", "text/html"),)


def error(status: int, code: object, message: str, /, **more: object) -> Answer:
    """An error object as OpenAI documents it."""
    body = {
        "error": {
            "message": message,
            "type": more.pop("type", "invalid_request_error"),
            "param": None,
            "code": code,
            **more,
        }
    }
    return Answer(status, orjson.dumps(body))


def rate_limit(retry_after: str | None = None) -> Answer:
    answer = error(429, "rate_limit_exceeded", "slow down", type="rate_limit_error")
    return answer._replace(headers=(*answer.headers, ("Retry-After", retry_after))) if retry_after else answer


SERVER_ERROR = error(500, None, "the server had an error", type="server_error")
UNAVAILABLE = Answer(503, b"<html><body>503 Service Temporarily Unavailable</body></html>", HTML)
RESET = Answer(reset=True)
WHOLE = completion("a whole answer that will be torn in the middle")
HALF_BODY = WHOLE._replace(only=len(WHOLE.body) // 2)
HALF_JSON = WHOLE._replace(body=WHOLE.body[: len(WHOLE.body) // 2])
LOGIN_PAGE = Answer(200, b"<!DOCTYPE html><html><body>Please sign in to the network</body></html>", HTML)
NO_CHOICES = Answer(200, b'{"id":"x","object":"chat.completion","choices":[]}')
NULL_CHOICES = Answer(200, b'{"id":"x","object":"chat.completion","choices":null}')
NULL_TEXT = completion(None)
WRONG_KEY = error(401, "invalid_api_key", "Incorrect API key provided: sk-sec****ret.")
NO_MODEL = error(404, "model_not_found", "The model `x` does not exist")
NO_MONEY = error(429, "insufficient_quota", "You exceeded your current quota", type="insufficient_quota")
TOO_LONG = error(400, "context_length_exceeded", "maximum context length is 8 tokens")

# Transient ones, by the name that mixed_faults and the command line use.
TRANSIENT: Mapping[str, Answer] = {
    "429": rate_limit("0"),
    "500": SERVER_ERROR,
    "503": UNAVAILABLE,
    "reset": RESET,
    "half": HALF_BODY,
    "garbage": HALF_JSON,
    "html": LOGIN_PAGE,
    "empty": NO_CHOICES,
}


def mixed_faults(shares: Mapping[str, float], seed: int = 0, slow_s: float = 2.0) -> Callable[[Asked], Answer | None]:
    """Faults by (seed, question, attempt): the same run meets the same ones in whatever order it asks. ``slow`` answers late, and rightly."""

    def fault(asked: Asked) -> Answer | None:
        at = zlib.crc32(b"%d/%d/" % (seed, asked.attempt) + asked.text.encode()) / 2**32
        for kind, share in shares.items():
            if at < share:
                return completion(filler(asked))._replace(delay_s=slow_s) if kind == "slow" else TRANSIENT[kind]
            at -= share
        return None

    return fault


class Block(NamedTuple):
    """A provider's way of saying that a filter stepped in, and the reason that must stand in the record."""

    provider: str
    answer: Answer
    reason: str


BLOCKS = (
    Block(
        "azure, prompt",
        error(
            400,
            "content_filter",
            "The response was filtered",
            status=400,
            innererror={
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": {"violence": {"filtered": True, "severity": "medium"}},
            },
        ),
        "content_filter",
    ),
    Block("azure and openai, answer", completion("Sure, first", "content_filter"), "content_filter"),
    Block("openai, refusal field", completion(None, "stop", refusal="I cannot help with that."), "refusal"),
    Block("openai, prompt", error(400, "content_policy_violation", "rejected"), "content_policy_violation"),
    Block(
        "dashscope, compatible mode",
        error(
            400,
            "data_inspection_failed",
            "Input data may contain inappropriate content.",
            type="data_inspection_failed",
        ),
        "data_inspection_failed",
    ),
    Block(
        "dashscope, own mode",
        Answer(
            400,
            b'{"code":"DataInspectionFailed","message":"Output data may contain inappropriate content.","request_id":"0"}',
        ),
        "DataInspectionFailed",
    ),
    Block(
        "dashscope behind a gateway",
        error(400, "InternalError.Algo.DataInspectionFailed", "Input text data may contain inappropriate content."),
        "InternalError.Algo.DataInspectionFailed",
    ),
    Block(
        "zhipu, prompt",
        Answer(
            400,
            orjson.dumps(
                {
                    "contentFilter": [{"level": 1, "role": "user"}],
                    "error": {"code": "1301", "message": "可能包含敏感内容"},
                }
            ),
        ),
        "1301",
    ),
    Block("zhipu, answer", completion("", "sensitive"), "sensitive"),
    Block(
        "moonshot",
        Answer(
            400,
            b'{"error":{"code":400,"message":"The request was rejected because it was considered high risk","param":"prompt","type":"content_filter"}}',
        ),
        "content_filter",
    ),
    Block("deepseek", error(400, "invalid_request_error", "Content Exists Risk"), "content-exists-risk"),
    Block(
        "volcengine",
        error(400, "InputTextSensitiveContentDetected", "may contain sensitive information", type="BadRequest"),
        "InputTextSensitiveContentDetected",
    ),
    Block(
        "openrouter",
        Answer(
            403,
            orjson.dumps(
                {
                    "error": {
                        "code": 403,
                        "message": "flagged",
                        "metadata": {"reasons": ["violence"], "flagged_input": "..."},
                    }
                }
            ),
        ),
        "moderation",
    ),
    Block(
        "minimax",
        Answer(
            200,
            b'{"choices":null,"input_sensitive":true,"base_resp":{"status_code":1026,"status_msg":"input sensitive"}}',
        ),
        "1026",
    ),
)


class FailingDisk:
    """Stands in for ``os.pwrite``: the n-th write fails, having written nothing, a part, or (a timeout that did write) all."""

    def __init__(self, at: int, wrote: str, code: int = errno.ENOSPC) -> None:
        self.at, self.wrote, self.code = at, wrote, code
        self.writes = 0
        self.real = os.pwrite

    def pwrite(self, descriptor: int, raw: bytes, offset: int) -> int:
        self.writes += 1
        if self.writes != self.at:
            return self.real(descriptor, raw, offset)
        kept = {"nothing": 0, "part": len(raw) // 2, "all": len(raw)}[self.wrote]
        self.real(descriptor, raw[:kept], offset)
        raise OSError(self.code, os.strerror(self.code))


FAILED_WRITES = ("nothing", "part", "all")
