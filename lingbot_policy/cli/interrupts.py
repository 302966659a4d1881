# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C, a closed terminal and a polite kill: all end a command in the same orderly way."""

from collections.abc import Iterator
from contextlib import contextmanager
import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """One of the signals above, by its number."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def interruptible() -> Iterator[None]:
    """End the command with exit code 128 + signal, as shells report it, at any of the signals."""
    previous = {number: signal.signal(number, _raise) for number in SIGNALS}
    try:
        yield
    except Interrupted as interruption:
        raise SystemExit(128 + interruption.number) from None
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let a bring-down run to its end: a second Ctrl-C would leave arms without their brake."""
    previous = {number: signal.signal(number, _ignore) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _raise(number: int, frame) -> None:
    raise Interrupted(number)


def _ignore(number: int, frame) -> None:
    """Nothing; SIG_IGN would be inherited by processes started meanwhile."""
