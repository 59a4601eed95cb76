# SPDX-License-Identifier: Apache-2.0
"""What is proved after: records, the statements over them, and the counts anyone can make again."""
