# SPDX-License-Identifier: Apache-2.0
"""The face: the dozen names a library user needs."""

__all__ = ["__version__"]
__version__ = "0.1.0"
