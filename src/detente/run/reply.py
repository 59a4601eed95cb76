# SPDX-License-Identifier: Apache-2.0
"""What is asked of a model, what comes back, and what a model must be able to do.

A reply is an answer with a word for how it ended; it is never an error in disguise. Whatever
keeps a model from answering is a ``ModelFault`` with a kind, and the engine alone decides what
a kind means: ask again, note the slot as failed, or stop the run.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol

from detente.errors import WrongUsage

Kind = Literal[
    "rate-limit",  # the endpoint asks for patience (429)
    "server",  # it answered with an error of its own (500 and the like)
    "unavailable",  # nobody answers: refused, no such host, 502, 503, 504
    "reset",  # the connection broke in the middle
    "timeout",  # no answer in time
    "garbage",  # an answer that cannot be read: half a body, HTML, wrong JSON
    "empty",  # an answer without any choice or text in it
    "raised",  # a model of the user's own raised an exception
    "refused-request",  # this request does not fit (400, 413, 422)
    "refused-key",  # 401
    "forbidden",  # 403: the key may not do this, or something in front of the model refuses this one request
    "not-found",  # 404: no such model or path
    "quota",  # the account is used up
    "certificate",  # a server that nobody here vouches for
]
# Nothing that a retry could mend: the run stops at once and loses nothing.
FATAL: frozenset[str] = frozenset({"refused-key", "forbidden", "not-found", "quota", "certificate"})


class Message(NamedTuple):
    """One message of a conversation; ``role`` is ``system``, ``user`` or ``assistant``."""

    role: str
    content: str


class Prompt(NamedTuple):
    """One slot's question (S-4): what is asked, with which seed (R-5), and the plan's caps for its language.

    ``chars`` counts code points, ``tokens`` the model's own tokens; both at least 1. ``reference`` is
    for whoever scores the reply as it comes, ``hazard`` for whoever counts; neither reaches a model. ``quoted``: a guard is
    shown a conversation to the end, so that a last turn of the model's is no answer to go on with.
    """

    i: int
    item: str
    lang: str
    epoch: int
    messages: tuple[Message, ...]
    seed: int | None
    chars: int
    tokens: int
    reference: str | None = None
    hazard: str = ""
    quoted: bool = False

    def begun(self) -> str:
        """The words that the answer is begun with; empty where the model begins it itself, or is shown a whole conversation."""
        last = self.messages[-1] if self.messages and not self.quoted else None
        return last.content if last is not None and last.role == "assistant" else ""


class Sampling(NamedTuple):
    """The plan's sampling (``sampling`` of plan.json)."""

    temperature: float
    top_p: float


class Reply(NamedTuple):
    """How a slot ended (C-2): an outcome of ``evidence.record.OUTCOMES`` and the text there is.

    ``output`` is None exactly for ``filtered`` and ``failed``; ``cut`` only for a reply that
    reached the plan's own cap; ``reason`` is a closed word or the provider's own code. ``tokens`` are
    those of the answer, ``asked`` those of the question, where the endpoint counts them; the latter go to the trace only.
    """

    outcome: str
    output: str | None
    cut: bool = False
    reason: str | None = None
    tokens: int | None = None
    asked: int | None = None


class ModelFault(Exception):  # not an error of ours: the model's
    """Why there is no reply. ``reason`` is short, fit for a record, and never holds text of the provider's or a key."""

    def __init__(self, kind: Kind, reason: str = "", *, retry_after_s: float | None = None) -> None:
        self.kind: Kind = kind
        self.reason = reason or kind
        self.retry_after_s = retry_after_s
        super().__init__(kind, self.reason)


class Model(Protocol):
    """Anything that answers prompts. ``generate`` may be called many times at once.

    One with an attribute ``begins`` that is true goes on with an answer that was begun for it: a conversation may then end
    with a message of the role ``assistant``. Of one without it that is never asked (``check_begins``).
    """

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Reply:
        """The reply to one prompt; ModelFault where there is none."""
        ...

    def describe(self) -> dict[str, Any]:
        """The descriptor's members (P-12), fit for ``wire.canonical.encode``; asks and loads nothing that costs seconds."""
        ...

    async def close(self) -> None:
        """Let go of connections, threads and memory."""
        ...


def conversation(turns: Sequence[str], begun: str = "") -> tuple[Message, ...]:
    """A question's turns as messages; ``begun``: the words that the answer is begun with, in the model's own turn (S-3)."""
    asked = tuple(Message("user", turn) for turn in turns)
    return (*asked, Message("assistant", begun)) if begun else asked


def begins(model: object) -> bool:
    """Whether a model goes on with an answer that was begun for it."""
    return bool(getattr(model, "begins", False))


def check_begins(model: object, place: str) -> None:
    """Before anybody is asked: WrongUsage (model-no-begin) for a model that would take a begun answer for something else."""
    if not begins(model):
        raise WrongUsage("model-no-begin", place, got=str(getattr(model, "place", "-")))


def without_begun(reply: Reply, begun: str) -> Reply:
    """The reply without the words that were put into the model's mouth, where a server sends them back with it.

    What is kept is what the model wrote. One that says these very words again by itself loses them once: nobody can tell the two apart.
    """
    text = reply.output
    if not begun or text is None or not text.lstrip().startswith(begun):
        return reply
    return reply._replace(output=text.lstrip()[len(begun) :])


def with_system(messages: tuple[Message, ...], system: str | None) -> list[dict[str, str]]:
    """The messages as the wire has them, the model's system prompt first unless they bring their own."""
    wire = [{"role": message.role, "content": message.content} for message in messages]
    if system is not None and (not wire or wire[0]["role"] != "system"):
        wire.insert(0, {"role": "system", "content": system})
    return wire
