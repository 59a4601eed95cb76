# SPDX-License-Identifier: Apache-2.0
"""One file a kind of model; each is loaded only when a spec asks for it."""
