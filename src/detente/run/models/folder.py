# SPDX-License-Identifier: Apache-2.0
"""A folder with a Hugging Face model, before and around whatever computes it: its small files, its digest, its tokens.

What runs such a folder (transformers in ``hf``, vLLM in ``vllm``) is asked with the same tokens and read
in the same way: the folder's own chat template, the tokens that end an answer, the plan's caps.
Nothing is fetched: the hub is switched off before its library is loaded, weights are safetensors and no code from the folder is run.
"""

import asyncio
import json
import os
from abc import ABC, abstractmethod
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from detente.errors import CannotTell, WrongUsage
from detente.evidence.record import mend_text
from detente.run.models.gguf import mapped
from detente.run.reply import ModelFault, Prompt, Reply, Sampling, with_system
from detente.wire.digests import sha256, sha256_raw

CONTEXT = 4096
"""Tokens that question and answer may hold together where the model does not say how many it was trained with."""
SWITCHES = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


class Waiting(NamedTuple):
    """A question in the queue."""

    prompt: Prompt
    sampling: Sampling
    said: "asyncio.Future[Reply | ModelFault]"


class Queued(ABC):
    """Questions that wait for one worker thread; what takes its turns is the subclass's.

    An error there, such as CannotTell (model-stopped), is that of every question it leaves without an answer.
    """

    def __init__(self, name: str) -> None:
        self._threads = ThreadPoolExecutor(1, name)
        self._queue: deque[Waiting] = deque()
        self._turn: asyncio.Task[None] | None = None

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Reply:
        """One answer. A question beyond the context is ModelFault ``refused-request``: no retry shortens it."""
        waiting = Waiting(prompt, sampling, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if self._turn is None or self._turn.done():
            self._turn = asyncio.ensure_future(self._take_turns())
        said = await waiting.said
        if isinstance(said, ModelFault):
            raise said
        return said

    @abstractmethod
    async def _take_turns(self) -> None:
        """Answer what waits, until nothing waits."""


class Folder:
    """A model folder's small files, read at once; the weights are only looked for."""

    def __init__(self, path: Path) -> None:
        """Raises WrongUsage: ``model-missing``, ``model-no-weights``, ``model-no-template``, CannotTell (no-permission)."""
        self.path = path
        self.config = _read_json(path / "config.json")
        self.weights = sorted(path.glob("*.safetensors"))
        if not self.weights:
            raise WrongUsage("model-no-weights", str(path))
        self.template = _template(path)
        found = self.config.get("max_position_embeddings")
        self.context = min(found, CONTEXT) if isinstance(found, int) and found > 0 else CONTEXT
        dtype = self.config.get("dtype") or self.config.get("torch_dtype")
        self.dtype = dtype if isinstance(dtype, str) else "float32"
        self._digest: str | None = None

    def describe(self, system: str | None, **decoding: Any) -> dict[str, Any]:
        """Name of the folder, digest of its weights, its chat template, and the decoding that this room fixes (P-12)."""
        if self._digest is None:
            digests = [sha256_raw(mapped(path)) for path in self.weights]
            self._digest = digests[0].hex() if len(digests) == 1 else sha256(b"".join(digests))
        return {
            "chatTemplate": sha256(self.template.encode("utf-8")),
            "decoding": {"context": self.context, "dtype": self.dtype, "topK": 0, **decoding},
            "endpoint": None,
            "filters": [],
            "kind": "transformers",
            "name": self.path.resolve().name,
            "systemPrompt": sha256(system.encode("utf-8")) if system is not None else None,
            "weights": self._digest,
        }


class Tongue(NamedTuple):
    """From messages to tokens and back. ``ends`` are the tokens that end an answer; ``context`` counts tokens."""

    tokenizer: Any
    ends: frozenset[int]
    context: int

    def asked(self, prompt: Prompt, system: str | None) -> list[int] | ModelFault:
        """The question's tokens; a fault (``refused-request``) where it fills the context: no retry shortens it.

        An answer that was begun is left open at its end; also a fault where the chat template hides or changes its words.
        """
        begun = bool(prompt.begun())
        try:
            text = self.tokenizer.apply_chat_template(
                with_system(prompt.messages, system), tokenize=False, add_generation_prompt=not begun,
                continue_final_message=begun,
            )  # fmt: skip
        except ValueError:  # what transformers says where the last message is not found in what the template made
            return ModelFault("refused-request", "chat-template")
        tokens: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return tokens if len(tokens) < self.context else ModelFault("refused-request", "context-length")

    def room(self, prompt: Prompt, asked: int) -> int:
        """How many tokens the answer may have: the plan's cap, or what the question leaves of the context."""
        return min(prompt.tokens, self.context - asked)

    def read(self, tokens: list[int], prompt: Prompt, asked: int) -> Reply:
        """The answer in what was computed: the tokens up to its end, its cap, or the end of the context."""
        room = self.room(prompt, asked)
        end = next((n for n, token in enumerate(tokens[:room]) if token in self.ends), None)
        said = tokens[: room if end is None else end]
        text = mend_text(self.tokenizer.decode(said, skip_special_tokens=True, clean_up_tokenization_spaces=False))
        if end is not None:
            return Reply("replied", text, tokens=len(said), asked=asked)
        if room < prompt.tokens:
            return Reply("truncated", text, reason="length", tokens=len(said), asked=asked)
        return Reply("replied", text, cut=True, tokens=len(said), asked=asked)


def load_transformers(folder: Folder, extra: str) -> Any:
    """The library transformers, quiet and offline; WrongUsage (extra-missing)."""
    os.environ.update(SWITCHES)  # read when the library is loaded
    try:
        import transformers
    except ModuleNotFoundError as error:
        raise WrongUsage("extra-missing", str(folder.path), got=error.name, extra=extra) from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def load_tongue(folder: Folder, transformers: Any) -> Tongue:
    """The folder's tokenizer with its chat template, and what ends an answer; whatever transformers raises."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder.path), **LOCAL)
    tokenizer.chat_template = folder.template
    try:
        settings = transformers.GenerationConfig.from_pretrained(str(folder.path), local_files_only=True)
    except OSError:  # no such file: what the model's own settings say
        settings = transformers.AutoConfig.from_pretrained(str(folder.path), **LOCAL)
    own = getattr(settings, "eos_token_id", None)
    ends = frozenset(own if isinstance(own, list) else [own, tokenizer.eos_token_id]) - {None}
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token_id = min(ends, default=0)
    return Tongue(tokenizer, ends, folder.context)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except PermissionError as error:
        raise CannotTell("no-permission", str(path)) from error
    except (OSError, ValueError) as error:
        raise WrongUsage("model-missing", str(path)) from error
    return value if isinstance(value, dict) else {}


def _template(folder: Path) -> str:
    """The chat template (Jinja) of a model folder: a file of its own, or a member of the tokenizer's settings."""
    own = folder / "chat_template.jinja"
    if own.is_file():
        return own.read_text("utf-8")
    found = _read_json(folder / "tokenizer_config.json").get("chat_template")
    if not isinstance(found, str):
        raise WrongUsage("model-no-template", str(folder))
    return found
