# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Keys of the terminal a deployment runs in: any of them may be the one that stops the arms."""

from collections.abc import Iterator
from contextlib import contextmanager
import os
import select
import sys
import termios
import tty

ACTS = {'a': 'arm', 'd': 'disarm', 'c': 'clear_stop'}
HELP = 'keys: space stops (latched), d disarms, c clears a stop, a arms; Ctrl-C ends all'


class Keys:
    """What was typed since the last look; never waits."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def acts(self) -> list[str]:
        """
        Return the acts asked for, as services of the chunk executor.

        Every key which means nothing stops: whoever hits the keyboard in haste finds no letter.
        """
        typed = ''
        while self._descriptor is not None and select.select([self._descriptor], [], [], 0.0)[0]:
            read = os.read(self._descriptor, 64)
            if not read:  # the terminal is gone; SIGHUP ends the deployment
                self._descriptor = None
            typed += read.decode(errors='replace')
        return [ACTS.get(key, 'stop') for key in typed]


@contextmanager
def read_keys(stream=sys.stdin) -> Iterator[Keys]:
    """Read single keys where ``stream`` is a terminal; elsewhere there are none."""
    if not stream.isatty():
        yield Keys(None)
        return
    descriptor = stream.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)  # single keys, unseen; Ctrl-C still interrupts
    try:
        yield Keys(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
