# SPDX-License-Identifier: Apache-2.0
"""What may be published: one joint result as a page, a spreadsheet and a walk, from verified bytes alone."""
