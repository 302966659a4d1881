# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Runs a deployment as processes, where launch_ros is not installed: one clear end for all."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
import os
from pathlib import Path
import re
import select
import signal
import subprocess
import sys
import threading
import time

import yaml

from lingbot_policy.bringup import environment, NodeSpec, stop_order
from lingbot_policy.nodes.lifecycle import ACTIVE, LIFE_FD, NOT_STARTED, PARENT_PID

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 8.0
MAX_RESTARTS = 5  # one after the other; a node which then lives for LIVES_S may die as often again
LIVES_S = 60.0
FROZEN_S = 15.0  # a node says every second that it lives
_NOISE = re.compile(r'^\[(?:INFO|WARN|ERROR|FATAL)\] \[[\d.]+\] \[[^\]]+\]: ')


@dataclass(frozen=True)
class Incident:
    """Something that happened to a process: ``kind`` is frozen, died, restarted or ended."""

    executable: str
    kind: str
    detail: str


class _Child:
    """One node's process, its log, its word that it is active, and its heartbeat after that."""

    def __init__(self, spec: NodeSpec, env: Mapping[str, str], log_dir: Path) -> None:
        self.spec = spec
        self.log = log_dir / f'{spec.executable}.log'
        self.restarts = 0
        self._beats = -1
        self._env = dict(env)
        self._params = log_dir / f'{spec.executable}.yaml'
        content = {'/**': {'ros__parameters': dict(spec.parameters)}}
        self.log.unlink(missing_ok=True)
        self._params.write_text(yaml.safe_dump(content), encoding='utf-8')

    def spawn(self) -> None:
        self._beats, write_end = os.pipe()
        os.set_blocking(self._beats, False)
        self._is_active = False
        self._spawned_s = self._beat_s = time.monotonic()
        command = [sys.executable, '-m', f'lingbot_policy.nodes.{self.spec.executable}']
        command += ['--ros-args', '--params-file', str(self._params)]
        if self.spec.namespace:
            command += ['-r', f'__ns:=/{self.spec.namespace.strip("/")}']
        with self.log.open('ab') as log:
            self.process = subprocess.Popen(
                command,
                env={**self._env, LIFE_FD: str(write_end), PARENT_PID: str(os.getpid())},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(write_end,),
                start_new_session=True,  # Ctrl-C of the terminal is ours to pass on, in order
            )
        os.close(write_end)

    def wait_active(self, deadline: float) -> None:
        """
        Wait for the node's word.

        :raises ValueError: with its own error if it failed, or naming the time it took.
        """
        while (left_s := deadline - time.monotonic()) > 0:
            if not select.select([self._beats], [], [], min(left_s, 0.2))[0]:
                continue
            if self.is_alive() and self._is_active:
                return
            self.end(STOP_TIMEOUT_S)
            raise ValueError(f'{self.spec.executable}: {self.last_words()}')
        raise ValueError(
            f'{self.spec.executable} is not active after {START_TIMEOUT_S:.0f} s; see {self.log}'
        )

    def is_alive(self) -> bool:
        """Read the heartbeat; return whether the last one is no older than ``FROZEN_S``."""
        try:
            while said := os.read(self._beats, 4096):
                self._is_active = self._is_active or said.startswith(ACTIVE)
                self._beat_s = time.monotonic()
        except BlockingIOError:
            pass
        return not self._is_active or time.monotonic() - self._beat_s < FROZEN_S

    def may_restart(self) -> bool:
        """Return whether it may be started again, and count that."""
        if time.monotonic() - self._spawned_s > LIVES_S:
            self.restarts = 0
        self.restarts += 1
        return self.spec.restarts and self.restarts <= MAX_RESTARTS

    def forget(self) -> None:
        """Close the pipe of an ended process."""
        if self._beats >= 0:
            os.close(self._beats)
            self._beats = -1

    def last_words(self) -> str:
        """Return the last error line of the log, or where the log lies."""
        lines = self.log.read_text(errors='replace').splitlines()
        starts = [i for i, line in enumerate(lines) if line.startswith(('[ERROR]', '[FATAL]'))]
        if not starts:
            spoken = [line for line in lines if line.strip()]
            if not spoken:
                code = self.process.returncode
                return f'ended with exit code {code} and no word; see {self.log}'
            return _NOISE.sub('', spoken[-1])
        end = starts[-1] + 1
        while end < len(lines) and not _NOISE.match(lines[end]):
            end += 1  # a message may name one fault on each line
        return _NOISE.sub('', '\n'.join(lines[starts[-1] : end]))

    def end(self, timeout_s: float) -> None:
        """Ask for the node's own deactivation; after ``timeout_s`` kill it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.forget()


class Supervisor:
    """
    Starts nodes in order, each when the one before is active, and brings all of them down.

    :param env: variables on top of this process's own, as a private domain.
    :param log_dir: where each node's output and parameters are written.
    """

    def __init__(self, specs: tuple[NodeSpec, ...], env: Mapping[str, str], log_dir: Path) -> None:
        log_dir.mkdir(parents=True, exist_ok=True)
        self._env = {**environment(), **os.environ, **env}
        self._children = {spec.executable: _Child(spec, self._env, log_dir) for spec in specs}
        self._order = stop_order(specs)
        self._started: list[str] = []

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of the running nodes by executable."""
        return {name: self._children[name].process.pid for name in self._started}

    def start(self) -> None:
        """
        Start every node; on a failure everything is brought down again.

        :raises ValueError: with the failing node's own error.
        """
        try:
            for name, child in self._children.items():
                with _signals_postponed():
                    child.spawn()
                    self._started.append(name)
                child.wait_active(time.monotonic() + START_TIMEOUT_S)
        except BaseException:
            self.stop()
            raise

    def poll(self) -> list[Incident]:
        """
        Look after the processes; call it a few times a second.

        A node which says no more that it lives is killed. A node that restarts is started again
        without waiting for it, unless its configuration has failed. Incidents of kind ``ended``
        mean that the deployment cannot go on.
        """
        incidents = []
        for name in tuple(self._started):
            child = self._children[name]
            code = child.process.poll()
            if code is None and not child.is_alive():
                incidents.append(Incident(name, 'frozen', f'silent for {FROZEN_S:.0f} s: killed'))
                child.process.kill()
                code = child.process.wait()
            if code is None:
                continue
            detail = f'exit code {code}: {child.last_words()}'
            incidents.append(Incident(name, 'died', detail))
            child.forget()
            if code != NOT_STARTED and child.may_restart():
                with _signals_postponed():
                    child.spawn()
                incidents.append(Incident(name, 'restarted', f'restart {child.restarts}'))
                continue
            self._started.remove(name)
            if child.spec.essential:
                incidents.append(Incident(name, 'ended', detail))
        return incidents

    def stop(self) -> None:
        """Bring everything down: motion first, the recording last; nothing is left behind."""
        for name in self._order:
            if name in self._started:
                self._children[name].end(STOP_TIMEOUT_S)
                self._started.remove(name)


@contextmanager
def _signals_postponed() -> Iterator[None]:
    """Let a signal wait for the end of the block: a process not yet noted would be forgotten."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    previous = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler or signal.SIG_DFL)
        for number in came:
            signal.raise_signal(number)
