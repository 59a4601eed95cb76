# SPDX-License-Identifier: Apache-2.0
"""A model whose maker states how its safeguards were taken off: the same model, with that text in its descriptor (P-12).

Nobody can see it in the weights, so it is the party's word; that they are off is measured (docs/reference/gates.md).
"""

from typing import Any

from detente.run.reply import Model, Prompt, Reply, Sampling


class Stated:
    """``model`` with the member ``recipe`` in its descriptor; whatever else it has (``place``, ``alive``, ``begins``) is its own."""

    def __init__(self, model: Model, recipe: str) -> None:
        self._model, self._recipe = model, recipe

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Reply:
        """The model's own reply."""
        return await self._model.generate(prompt, sampling)

    def describe(self) -> dict[str, Any]:
        """The model's descriptor and the recipe (P-12)."""
        return {**self._model.describe(), "recipe": self._recipe}

    async def close(self) -> None:
        """Close the model."""
        await self._model.close()

    def __getattr__(self, name: str) -> Any:  # only what is not above
        return getattr(self._model, name)
