# SPDX-License-Identifier: Apache-2.0
"""The only room that talks to models: every planned slot is asked once, and nothing that was answered is lost."""
