# SPDX-License-Identifier: Apache-2.0
"""A reply in, a label out: pure functions that an auditor runs again without the room that asked the model."""
