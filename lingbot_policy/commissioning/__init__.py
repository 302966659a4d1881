# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Before a real robot moves: environment, live graph, first motion, confirmations."""
