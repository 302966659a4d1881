# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""All rows of the fault matrix."""

from importlib import import_module

from tests.faults.row import DATA_ROWS, PROCESS_ROWS

for _family in ('chunks', 'robot', 'senses', 'operator', 'policy'):
    import_module(f'tests.faults.data_rows_{_family}')
for _family in ('shared', 'alone'):
    import_module(f'tests.faults.process_rows_{_family}')

__all__ = ['DATA_ROWS', 'PROCESS_ROWS']
