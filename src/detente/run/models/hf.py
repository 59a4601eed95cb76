# SPDX-License-Identifier: Apache-2.0
"""A folder with a Hugging Face model, run in this process by transformers (extra ``hf``): ``hf:/path/to/folder``.

The sampling defaults that lie beside the weights are set aside: only the plan's temperature and ``topP`` count.

At temperature 0 questions that wait are computed together, padded on the left, the answer being what
is most probable at each step. How many share a batch can change the last bits of a number, and in
rare ties a word: where the same bytes matter more than speed, ask one at a time. Above 0 each question
is sampled alone, from its own seed.
"""

import asyncio
from pathlib import Path
from typing import Any, NamedTuple

from detente.errors import CannotTell, WrongUsage
from detente.run.models.folder import LOCAL, Folder, Queued, Tongue, load_tongue, load_transformers
from detente.run.reply import ModelFault, Prompt, Reply, Sampling

MOST_SLOTS = 64


class Loaded(NamedTuple):
    """What transformers made of the folder."""

    torch: Any
    tongue: Tongue
    model: Any


class FolderModel(Queued):
    """A model folder as a model. Its small files are read at once, the weights at the first prompt."""

    begins = True

    def __init__(self, folder: Path, *, system: str | None, slots: int) -> None:
        """Raises WrongUsage: ``model-missing``, ``model-no-weights``, ``model-no-template``, CannotTell (no-permission)."""
        super().__init__("detente-hf")
        self.folder, self.system = Folder(folder), system
        self.place = str(folder)
        self.slots = max(1, min(slots, MOST_SLOTS))
        self._loaded: Loaded | None = None

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
        asked = [loaded.tongue.asked(prompt, self.system) for prompt in prompts]
        fits = [n for n, tokens in enumerate(asked) if not isinstance(tokens, ModelFault)]
        replies: list[Any] = [*asked]  # the faults stay
        if fits:
            said = self._compute(loaded, [replies[n] for n in fits], [prompts[n] for n in fits], sampling)
            for n, reply in zip(fits, said, strict=True):
                replies[n] = reply
        return replies

    def _compute(
        self, loaded: Loaded, asked: list[list[int]], prompts: list[Prompt], sampling: Sampling
    ) -> list[Reply]:
        torch = loaded.torch
        longest = max(len(tokens) for tokens in asked)
        pad = loaded.tongue.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (longest - len(tokens)) + tokens for tokens in asked], device=loaded.model.device)
        mask = torch.tensor(
            [[0] * (longest - len(tokens)) + [1] * len(tokens) for tokens in asked], device=loaded.model.device
        )
        rooms = [loaded.tongue.room(prompt, len(tokens)) for prompt, tokens in zip(prompts, asked, strict=True)]
        drawn: dict[str, Any] = {"do_sample": False}
        if sampling.temperature > 0:
            torch.manual_seed(prompts[0].seed or 0)
            drawn = {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        with torch.inference_mode():
            out = loaded.model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=max(rooms), **drawn)
        rows = out[:, longest:].tolist()
        return [
            loaded.tongue.read(row, prompt, len(tokens))
            for row, prompt, tokens in zip(rows, prompts, asked, strict=True)
        ]

    def describe(self) -> dict[str, Any]:
        """The folder's descriptor (P-12)."""
        return self.folder.describe(self.system)

    async def close(self) -> None:
        """Let go of the weights."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._loaded = None

    def load(self) -> Loaded:
        """Tokenizer and weights in memory; WrongUsage (extra-missing), CannotTell (model-not-loaded)."""
        folder = self.folder
        transformers = load_transformers(folder, "hf")
        try:
            import torch
        except ModuleNotFoundError as error:
            raise WrongUsage("extra-missing", self.place, got=error.name, extra="hf") from error
        try:
            tongue = load_tongue(folder, transformers)
            model = transformers.AutoModelForCausalLM.from_pretrained(
                str(folder.path), dtype=getattr(torch, folder.dtype), use_safetensors=True, **LOCAL
            )
        except Exception as error:  # whatever a folder can make these libraries say
            raise CannotTell("model-not-loaded", self.place, got=type(error).__name__) from error
        # What lies beside the weights (top-k, repetition penalties) is not the plan's.
        model.generation_config = transformers.GenerationConfig(
            eos_token_id=sorted(tongue.ends) or None, pad_token_id=tongue.tokenizer.pad_token_id
        )
        model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
        return Loaded(torch, tongue, model)
