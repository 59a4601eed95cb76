# SPDX-License-Identifier: Apache-2.0
"""The append-only log of a party, its witnesses, and the folder of write-once files they live in."""
