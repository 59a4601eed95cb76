# SPDX-License-Identifier: Apache-2.0
"""Bytes: one public specification per file, pure functions, no files, no clock."""
