# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""From accepted chunks to the position due now."""
