# SPDX-License-Identifier: Apache-2.0
"""A folder with a Hugging Face model, run in this process by vLLM's offline engine (extra ``vllm``): ``vllm-engine:/path/to/folder``.

A server of vLLM is an endpoint (``vllm:URL#NAME``); its models are often named by a path, so the folder has a word of its own.

The engine is driven step by step from one thread: what is asked joins the batch at the next step, and what has
ended leaves it. It runs in this process, not in a child of its own: Ctrl-C would reach the child too, and what is
in flight would not be finished. Sampling is the plan's alone (the defaults beside the weights are set
aside), each question above temperature 0 has its own seed, and no question's numbers are kept for the
next one, so asked one at a time the answers do not depend on what was asked before. How many share a
batch can change the last bits of a number, and in rare ties a word.
"""

import asyncio
import os
import sys
import warnings
from pathlib import Path
from typing import Any, NamedTuple

from detente.errors import CannotTell, DetenteError, WrongUsage
from detente.run.models.folder import Folder, Queued, Tongue, Waiting, load_tongue, load_transformers
from detente.run.reply import ModelFault, Reply

MOST_SLOTS = 512
SWITCHES = {
    "DO_NOT_TRACK": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",  # stdout is data
    "TORCH_CPP_LOG_LEVEL": "ERROR",
}
UNLESS_SET = {
    "FLASHINFER_CUBINS_REPOSITORY": "",  # else it looks whether kernels could be fetched
    "GLOO_SOCKET_IFNAME": "lo" if sys.platform == "linux" else "lo0",
    "VLLM_HOST_IP": "127.0.0.1",
    "VLLM_CPU_KVCACHE_SPACE": "4",  # GiB; without an accelerator vLLM would take nearly all memory there is
}
"""What a lab may have reasons to set otherwise."""


class Loaded(NamedTuple):
    """What vLLM made of the folder."""

    vllm: Any
    tongue: Tongue
    engine: Any


class EngineModel(Queued):
    """A model folder as a model. Its small files are read at once, the weights at the first prompt."""

    begins = True

    def __init__(self, folder: Path, *, system: str | None, slots: int) -> None:
        """Raises WrongUsage: ``model-missing``, ``model-no-weights``, ``model-no-template``, CannotTell (no-permission)."""
        super().__init__("detente-vllm")
        self.folder, self.system = Folder(folder), system
        self.place = str(folder)
        self.slots = max(1, min(slots, MOST_SLOTS))
        self._answering: dict[str, tuple[Waiting, int]] = {}  # by request; with the question's tokens, counted
        self._asked = 0
        self._loaded: Loaded | None = None
        self._closing = False

    async def _take_turns(self) -> None:
        """Hand over what waits and take back what has ended, until nobody waits for an answer."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)  # whoever is about to ask may join the same step
        while (self._queue or self._answering) and not self._closing:  # no await before the thread has its work
            new = [self._queue.popleft() for _ in range(len(self._queue))]
            try:
                ended = await loop.run_in_executor(self._threads, self._answer, new)
            except BaseException as error:
                ended = []
                for waiting in [*new, *(waiting for waiting, _ in self._answering.values())]:
                    if not waiting.said.done():
                        waiting.said.set_exception(error)
                self._answering.clear()
            for waiting, said in ended:
                if not waiting.said.done():  # given up meanwhile
                    waiting.said.set_result(said)
            await asyncio.sleep(0)
        for waiting in [*self._queue, *(waiting for waiting, _ in self._answering.values())]:
            waiting.said.cancel()  # closed before they were answered

    def _answer(self, new: list[Waiting]) -> list[tuple[Waiting, Reply | ModelFault]]:
        """Let the engine work on what is asked until something has ended, or somebody new waits."""
        loaded = self._loaded = self._loaded or self.load()
        try:
            ended = [(waiting, fault) for waiting in new if (fault := self._hand_over(loaded, waiting)) is not None]
            while self._answering and not ended and not self._queue and not self._closing:
                ended = [self._take_back(loaded.tongue, out) for out in loaded.engine.step() if out.finished]
        except DetenteError:
            raise
        except Exception as error:  # out of memory, a kernel that fails: nothing here mends it
            raise CannotTell("model-stopped", self.place, got=type(error).__name__) from error
        return ended

    def _hand_over(self, loaded: Loaded, waiting: Waiting) -> Reply | ModelFault | None:
        """Add a question to the engine's batch; a fault where it cannot be asked."""
        prompt, sampling = waiting.prompt, waiting.sampling
        tokens = loaded.tongue.asked(prompt, self.system)
        if isinstance(tokens, ModelFault):
            return tokens
        self._asked += 1
        name = str(self._asked)
        try:
            params = loaded.vllm.SamplingParams(
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                seed=prompt.seed,
                max_tokens=loaded.tongue.room(prompt, len(tokens)),
                # What ends an answer is read from the folder once, in the same way for whatever runs it.
                stop_token_ids=sorted(loaded.tongue.ends),
                ignore_eos=True,
                detokenize=False,
            )
            loaded.engine.add_request(name, {"prompt_token_ids": tokens}, params)
        except ValueError as error:  # how vLLM refuses a single request
            return ModelFault("refused-request", type(error).__name__)
        self._answering[name] = (waiting, len(tokens))
        return None

    def _take_back(self, tongue: Tongue, out: Any) -> tuple[Waiting, Reply | ModelFault]:
        """A finished request as the reply to its question."""
        waiting, asked = self._answering.pop(out.request_id)
        said = out.outputs[0]
        if said.finish_reason not in {"stop", "length"}:
            return waiting, ModelFault("server", str(said.finish_reason))
        return waiting, tongue.read(list(said.token_ids), waiting.prompt, asked)

    def describe(self) -> dict[str, Any]:
        """The folder's descriptor, and that vLLM runs it (P-12)."""
        return self.folder.describe(self.system, engine="vllm")

    async def close(self) -> None:
        """Let go of the weights, once the step in hand is done; who still waits for an answer is cancelled."""
        self._closing = True
        await asyncio.get_running_loop().run_in_executor(self._threads, self._shut)
        self._threads.shutdown(wait=False)

    def _shut(self) -> None:
        loaded, self._loaded = self._loaded, None
        if loaded is not None:
            from vllm.distributed import cleanup_dist_env_and_memory

            loaded.engine.engine_core.shutdown()
            cleanup_dist_env_and_memory()

    def load(self) -> Loaded:
        """Tokenizer and weights in memory; WrongUsage (extra-missing), CannotTell (model-not-loaded)."""
        os.environ.update(SWITCHES)  # read when the library is loaded
        for name, value in UNLESS_SET.items():
            os.environ.setdefault(name, value)
        warnings.filterwarnings("ignore", module=r"(torch|vllm)(\.|$)")
        folder = self.folder
        transformers = load_transformers(folder, "vllm")
        try:
            import vllm
            from vllm.platforms import current_platform
        except ModuleNotFoundError as error:
            raise WrongUsage("extra-missing", self.place, got=error.name, extra="vllm") from error
        try:
            tongue = load_tongue(folder, transformers)
            settings = vllm.EngineArgs(
                model=str(folder.path),
                config_format="hf",
                load_format="safetensors",
                trust_remote_code=False,
                generation_config="vllm",  # vLLM's word for: what lies beside the weights (top-k, penalties) does not count
                dtype=folder.dtype,
                max_model_len=folder.context,
                max_num_seqs=self.slots,
                enable_prefix_caching=False,
                enforce_eager=current_platform.is_cpu(),  # compiling there needs a compiler, and half a minute
                seed=int.from_bytes(os.urandom(4)) >> 1,  # for plans without seeds: what is asked again is drawn anew
                disable_log_stats=True,
                use_tqdm_on_load=False,
            )
            return Loaded(vllm, tongue, vllm.LLMEngine.from_engine_args(settings))
        except Exception as error:  # whatever a folder, or a machine, can make these libraries say
            raise CannotTell("model-not-loaded", self.place, got=type(error).__name__) from error
