# SPDX-License-Identifier: Apache-2.0
"""One party's private folder and every verb it can do; the desk composes, it never computes."""
