# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Two network namespaces with a link between them: a robot's computer, and ours."""

from collections.abc import Iterator
from contextlib import contextmanager
import ctypes
from functools import cache
import os
from pathlib import Path
import subprocess

CLONE_NEWNET = 0x40000000
ROBOT, OURS = '10.77.0.1', '10.77.0.2'
# Shared memory would go around the link. Announcements as in lingbot_policy/data/fastdds_shm.xml.
UDP_ONLY = """<?xml version="1.0" encoding="UTF-8"?>
<profiles xmlns="http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles">
  <transport_descriptors>
    <transport_descriptor><transport_id>udp</transport_id><type>UDPv4</type></transport_descriptor>
  </transport_descriptors>
  <participant profile_name="udp" is_default_profile="true">
    <rtps>
      <builtin>
        <discovery_config>
          <leaseDuration><sec>5</sec></leaseDuration>
          <leaseAnnouncement><sec>1</sec></leaseAnnouncement>
        </discovery_config>
      </builtin>
      <userTransports><transport_id>udp</transport_id></userTransports>
      <useBuiltinTransports>false</useBuiltinTransports>
    </rtps>
  </participant>
</profiles>
"""


@cache
def refusal() -> str:
    """Return why this machine gives us no network namespaces, '' if it does."""
    try:
        with linked_namespaces('lingbot_try'):
            return ''
    except (OSError, ValueError) as error:
        return f'no network namespaces here: {error}'


class Link:
    """The link between the namespaces ``<name>_r`` (the robot's) and ``<name>_o`` (ours)."""

    def __init__(self, name: str) -> None:
        self._name = name

    def cut(self) -> None:
        ip('-n', f'{self._name}_o', 'link', 'set', 'eth', 'down')

    def mend(self) -> None:
        ip('-n', f'{self._name}_o', 'link', 'set', 'eth', 'up')
        _route_multicast(f'{self._name}_o')

    def cut_from_robot(self) -> None:
        """Lose what the robot says; what it is told arrives."""
        ip('-n', f'{self._name}_r', 'route', 'add', 'blackhole', f'{OURS}/32')

    def mend_from_robot(self) -> None:
        ip('-n', f'{self._name}_r', 'route', 'del', 'blackhole', f'{OURS}/32')

    @contextmanager
    def inside(self, end: str) -> Iterator[None]:
        """Let sockets and processes of this thread be made at the end ``r`` or ``o``."""
        home = os.open('/proc/thread-self/ns/net', os.O_RDONLY)
        there = os.open(f'/run/netns/{self._name}_{end}', os.O_RDONLY)
        try:
            _enter(there)
            yield
        finally:
            _enter(home)
            os.close(there)
            os.close(home)


@contextmanager
def linked_namespaces(name: str) -> Iterator[Link]:
    """
    Give two linked namespaces, removed afterwards.

    :raises ValueError: where they are not permitted.
    """
    ends = {'r': ROBOT, 'o': OURS}
    try:
        for end in ends:
            ip('netns', 'add', f'{name}_{end}')
        ip('-n', f'{name}_r', 'link', 'add', 'eth', 'type', 'veth', 'peer', 'name', 'eth',
           'netns', f'{name}_o')  # fmt: skip
        for end, address in ends.items():
            where = f'{name}_{end}'
            ip('-n', where, 'link', 'set', 'lo', 'up')
            ip('-n', where, 'link', 'set', 'eth', 'up')
            ip('-n', where, 'address', 'add', f'{address}/24', 'dev', 'eth')
            _route_multicast(where)
        yield Link(name)
    finally:
        for end in ends:
            if Path(f'/run/netns/{name}_{end}').exists():
                ip('netns', 'delete', f'{name}_{end}')


def ip(*arguments: str) -> None:
    """
    Run the command ``ip``.

    :raises ValueError: with its own error.
    """
    try:
        done = subprocess.run(['ip', *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ValueError('the command ip is not installed') from error
    if done.returncode:
        raise ValueError(f'ip {" ".join(arguments)}: {done.stderr.strip()}')


def _route_multicast(where: str) -> None:
    ip('-n', where, 'route', 'replace', '224.0.0.0/4', 'dev', 'eth')


def _enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), 'setns')
