# SPDX-License-Identifier: Apache-2.0
"""python -m detente: the same as the command ``detente``."""

from detente.cli.entry import program

program()
