# SPDX-License-Identifier: Apache-2.0
"""What is agreed before: the plan, its items and slots, and the sealing of files between parties."""
