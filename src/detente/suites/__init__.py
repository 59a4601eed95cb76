# SPDX-License-Identifier: Apache-2.0
"""Suites: making them, mending them, and finding them again where they should not be."""
