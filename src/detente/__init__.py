# SPDX-License-Identifier: Apache-2.0
"""The face: the dozen names a library user needs, each loaded when first asked for.

    from pathlib import Path
    from detente import NotVerified, summarise, verify

    verified = verify(Path("exchange"), plan_id)    # 64 hex digits, compared outside the exchange
    print(summarise(verified).digest)

The last line needs the extra ``report``; a failed step raises NotVerified, a missing file CannotTell.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detente.check.verify import Verified, verify
    from detente.errors import CannotTell, DetenteError, NotVerified, WrongUsage
    from detente.pact.plan import PlanFile, parse_plan
    from detente.report.result import joint_of, summarise
    from detente.run.model import load_model
    from detente.score.scorer import load_scorer

__version__ = "0.1.0"
__all__ = [
    "CannotTell",
    "DetenteError",
    "NotVerified",
    "PlanFile",
    "Verified",
    "WrongUsage",
    "__version__",
    "joint_of",
    "load_model",
    "load_scorer",
    "parse_plan",
    "summarise",
    "verify",
]

_HOMES = {
    "CannotTell": "errors",
    "DetenteError": "errors",
    "NotVerified": "errors",
    "PlanFile": "pact.plan",
    "Verified": "check.verify",
    "WrongUsage": "errors",
    "joint_of": "report.result",
    "load_model": "run.model",
    "load_scorer": "score.scorer",
    "parse_plan": "pact.plan",
    "summarise": "report.result",
    "verify": "check.verify",
}


def __getattr__(name: str) -> object:
    """A public name from its room (PEP 562): a verifier never pays for a report, nor --help for anything."""
    if name not in _HOMES:
        raise AttributeError(name)
    return getattr(import_module(f"detente.{_HOMES[name]}"), name)
