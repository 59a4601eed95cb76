# SPDX-License-Identifier: Apache-2.0
"""What a stranger needs to say true or false: the numbered steps, the draw, the tally. Offline, no clock."""
