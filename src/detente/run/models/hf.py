# SPDX-License-Identifier: Apache-2.0
"""A folder with a Hugging Face model, run in this process by transformers (extra ``hf``): ``hf:/path/to/folder``.

Nothing is fetched: the folder is all there is, the hub is switched off before its library is loaded,
weights are safetensors and no code from the folder is run. The sampling defaults that lie beside the
weights are set aside: only the plan's temperature and ``topP`` count.

At temperature 0 questions that wait are computed together, padded on the left, the answer being what
is most probable at each step. How many share a batch can change the last bits of a number, and in
rare ties a word: where the same bytes matter more than speed, ask one at a time. Above 0 each question
is sampled alone, from its own seed.
"""

import asyncio
import json
import os
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
MOST_SLOTS = 64
SWITCHES = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


class Loaded(NamedTuple):
    """What transformers made of the folder."""

    torch: Any
    tokenizer: Any
    model: Any
    ends: frozenset[int]


class Waiting(NamedTuple):
    """A question in the queue."""

    prompt: Prompt
    sampling: Sampling
    said: "asyncio.Future[Reply | ModelFault]"


class FolderModel:
    """A model folder as a model. Its small files are read at once, the weights at the first prompt."""

    def __init__(self, folder: Path, *, system: str | None, slots: int) -> None:
        """Raises WrongUsage: ``model-missing``, ``model-no-weights``, ``model-no-template``, CannotTell (no-permission)."""
        self.folder, self.system = folder, system
        self.place = str(folder)
        self.slots = max(1, min(slots, MOST_SLOTS))
        self.config = _read_json(folder / "config.json")
        self.weights = sorted(folder.glob("*.safetensors"))
        if not self.weights:
            raise WrongUsage("model-no-weights", str(folder))
        self.template = _template(folder)
        found = self.config.get("max_position_embeddings")
        self.context = min(found, CONTEXT) if isinstance(found, int) and found > 0 else CONTEXT
        self._threads = ThreadPoolExecutor(1, "detente-hf")
        self._queue: deque[Waiting] = deque()
        self._turn: asyncio.Task[None] | None = None
        self._loaded: Loaded | None = None
        self._digest: str | None = None

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

    async def _take_turns(self) -> None:
        """Answer what waits, a batch at a time, until nothing waits."""
        loop = asyncio.get_running_loop()
        while self._queue:
            await asyncio.sleep(0)  # whoever is about to ask may share the batch
            batch = [self._queue.popleft()]
            greedy = batch[0].sampling.temperature == 0
            while greedy and self._queue and len(batch) < self.slots and self._queue[0].sampling == batch[0].sampling:
                batch.append(self._queue.popleft())
            try:
                said = await loop.run_in_executor(
                    self._threads, self._answer, [one.prompt for one in batch], batch[0].sampling
                )
            except BaseException as error:
                for one in batch:
                    if not one.said.done():
                        one.said.set_exception(error)
                continue
            for one, reply in zip(batch, said, strict=True):
                if not one.said.done():  # given up meanwhile
                    one.said.set_result(reply)

    def _answer(self, prompts: list[Prompt], sampling: Sampling) -> list[Reply | ModelFault]:
        """The replies to a batch, in its order."""
        loaded = self._loaded = self._loaded or self.load()
        texts = [
            loaded.tokenizer.apply_chat_template(
                with_system(prompt.messages, self.system), tokenize=False, add_generation_prompt=True
            )
            for prompt in prompts
        ]
        asked = [loaded.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        fits = [n for n, tokens in enumerate(asked) if len(tokens) < self.context]
        replies: list[Reply | ModelFault] = [ModelFault("refused-request", "context-length") for _ in prompts]
        if fits:
            for n, said in zip(
                fits, self._compute(loaded, [asked[n] for n in fits], [prompts[n] for n in fits], sampling), strict=True
            ):
                replies[n] = said
        return replies

    def _compute(
        self, loaded: Loaded, asked: list[list[int]], prompts: list[Prompt], sampling: Sampling
    ) -> list[Reply]:
        torch = loaded.torch
        longest = max(len(tokens) for tokens in asked)
        pad = loaded.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (longest - len(tokens)) + tokens for tokens in asked], device=loaded.model.device)
        mask = torch.tensor(
            [[0] * (longest - len(tokens)) + [1] * len(tokens) for tokens in asked], device=loaded.model.device
        )
        rooms = [min(prompt.tokens, self.context - len(tokens)) for prompt, tokens in zip(prompts, asked, strict=True)]
        drawn: dict[str, Any] = {"do_sample": False}
        if sampling.temperature > 0:
            torch.manual_seed(prompts[0].seed or 0)
            drawn = {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        with torch.inference_mode():
            out = loaded.model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=max(rooms), **drawn)
        rows = out[:, longest:].tolist()
        return [
            self._read(loaded, row, room, prompt, len(tokens))
            for row, room, prompt, tokens in zip(rows, rooms, prompts, asked, strict=True)
        ]

    def _read(self, loaded: Loaded, row: list[int], room: int, prompt: Prompt, asked: int) -> Reply:
        """One row of a batch: the tokens up to its end, its cap, or the end of the context."""
        end = next((n for n, token in enumerate(row[:room]) if token in loaded.ends), None)
        said = row[: room if end is None else end]
        text = mend_text(loaded.tokenizer.decode(said, skip_special_tokens=True, clean_up_tokenization_spaces=False))
        if end is not None:
            return Reply("replied", text, tokens=len(said), asked=asked)
        if room < prompt.tokens:
            return Reply("truncated", text, reason="length", tokens=len(said), asked=asked)
        return Reply("replied", text, cut=True, tokens=len(said), asked=asked)

    def describe(self) -> dict[str, Any]:
        """Name of the folder, digest of its weights, its chat template, and the decoding that this room fixes (P-12)."""
        if self._digest is None:
            digests = [sha256_raw(mapped(path)) for path in self.weights]
            self._digest = digests[0].hex() if len(digests) == 1 else sha256(b"".join(digests))
        return {
            "chatTemplate": sha256(self.template.encode("utf-8")),
            "decoding": {"context": self.context, "dtype": self._dtype(), "topK": 0},
            "endpoint": None,
            "filters": [],
            "kind": "transformers",
            "name": self.folder.resolve().name,
            "systemPrompt": sha256(self.system.encode("utf-8")) if self.system is not None else None,
            "weights": self._digest,
        }

    def _dtype(self) -> str:
        found = self.config.get("dtype") or self.config.get("torch_dtype")
        return found if isinstance(found, str) else "float32"

    async def close(self) -> None:
        """Let go of the weights."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._loaded = None

    def load(self) -> Loaded:
        """Tokenizer and weights in memory; WrongUsage (extra-missing), CannotTell (model-not-loaded)."""
        os.environ.update(SWITCHES)  # read when the library is loaded
        try:
            import torch
            import transformers
        except ModuleNotFoundError as error:
            raise WrongUsage("extra-missing", str(self.folder), got=error.name, extra="hf") from error
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        local = {"local_files_only": True, "trust_remote_code": False}
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(str(self.folder), **local)
            model = transformers.AutoModelForCausalLM.from_pretrained(
                str(self.folder), dtype=getattr(torch, self._dtype()), use_safetensors=True, **local
            )
        except Exception as error:  # whatever a folder can make these libraries say
            raise CannotTell("model-not-loaded", str(self.folder), got=type(error).__name__) from error
        tokenizer.chat_template = self.template
        own = model.generation_config.eos_token_id
        ends = frozenset(own if isinstance(own, list) else [own, tokenizer.eos_token_id]) - {None}
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token_id = min(ends, default=0)
        # What lies beside the weights (top-k, repetition penalties) is not the plan's.
        model.generation_config = transformers.GenerationConfig(
            eos_token_id=sorted(ends) or None, pad_token_id=tokenizer.pad_token_id
        )
        model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
        return Loaded(torch, tokenizer, model, ends)


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
