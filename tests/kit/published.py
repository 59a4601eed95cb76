# SPDX-License-Identifier: Apache-2.0
"""Where other projects' published vectors lie: beside the clone, or where DETENTE_PUBLISHED_VECTORS says; nowhere is fine too."""

import os
from pathlib import Path

BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data" / "vectors"
PUBLISHED = Path(os.environ.get("DETENTE_PUBLISHED_VECTORS") or BESIDE)
REASON = "no published vectors here; DETENTE_PUBLISHED_VECTORS may say where they are"
