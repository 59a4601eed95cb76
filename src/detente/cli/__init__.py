# SPDX-License-Identifier: Apache-2.0
"""The command line: words to desk verbs, errors to exit codes. stdout is data, stderr is speech."""

from detente.cli.entry import main, program

__all__ = ["main", "program"]
