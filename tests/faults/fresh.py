# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Runs one process row in a process of its own: ``python -m tests.faults.fresh <row> <robot>``.

The middleware looks at the machine's network once in a process, so that a probe in another
namespace needs a fresh one.
"""

from dataclasses import asdict
from importlib import import_module
import json
import sys

from lingbot_policy.cli.interrupts import interruptible
from tests.faults.process_row import HERE, MARK


def main(row: str, robot: str) -> None:
    import_module('tests.faults.rows')
    print(MARK + json.dumps(asdict(HERE[row](robot))), flush=True)


if __name__ == '__main__':
    with interruptible():
        main(*sys.argv[1:])
