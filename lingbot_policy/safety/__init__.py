# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The gate every command passes, and its checks."""
