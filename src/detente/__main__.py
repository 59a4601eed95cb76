# SPDX-License-Identifier: Apache-2.0
"""python -m detente: the same as the command ``detente``."""

import sys

from detente.cli.entry import main

sys.exit(main())
