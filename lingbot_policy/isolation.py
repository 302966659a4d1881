# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A graph of one's own: simulation, demo and tests never share a ROS domain with a robot."""

from collections.abc import Iterator
from contextlib import contextmanager
import fcntl
import os
from pathlib import Path
import random
import tempfile

DOMAINS = range(1, 102)  # above, DDS ports reach into Linux's ephemeral range


@contextmanager
def private_domain(avoid: frozenset[int | None] = frozenset()) -> Iterator[int]:
    """
    Give a ROS_DOMAIN_ID nobody else on this machine holds, locked until the block ends.

    The shell's own domain is never given.

    :param avoid: domains not to take, as the hint of a robot file.
    :raises ValueError: if every domain is taken.
    """
    shell = os.environ.get('ROS_DOMAIN_ID', '0')
    barred = {*avoid, int(shell) if shell.isdigit() else 0}
    candidates = [domain for domain in DOMAINS if domain not in barred]
    random.SystemRandom().shuffle(candidates)
    folder = Path(tempfile.gettempdir()) / 'lingbot_domains'
    if not folder.exists():
        folder.mkdir(exist_ok=True)
        folder.chmod(0o1777)  # every user of the machine takes part, whatever the umask
    for domain in candidates:
        with _opened(folder / str(domain)) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield domain
            return
    raise ValueError(
        f'no free ROS domain in {DOMAINS.start}..{DOMAINS.stop - 1}: {folder} is all locked; '
        'end other demos or tests first'
    )


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    # Reading is enough for a lock, and another user's file is not ours to write.
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def isolated_environment(domain: int, log_dir: Path) -> dict[str, str]:
    """Return the variables which keep ROS nodes in a domain on this machine."""
    return {
        'ROS_DOMAIN_ID': str(domain),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'ROS_LOG_DIR': str(log_dir),
    }
