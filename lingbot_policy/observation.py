# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
From streams of frames and joint states to one Observation at one instant.

The instant ``t_ref`` is the stamp of a head camera frame. Wrist frames are the nearest not after
it, joints are interpolated at it. An Observation depends on the samples and on ``t_ref`` only, so
a bag gives what the live robot gave. Stamps are ns of the sensor on the ROS clock.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
import hashlib
from itertools import pairwise
from operator import itemgetter
import threading

import numpy as np

from lingbot_policy.robot import Robot

HEAD = 'head'
FROZEN_REPEATS = 5  # messages with an unchanged stamp before a stream counts as frozen
PACE_FRAMES = 8  # frames after which a camera's pace is known
PACE_SHARE = 0.9  # of its shortest period: no frame is expected sooner after the last one
SAMPLED_ROW = 16  # every so many rows of an image are compared before all of them
STAMP = itemgetter(0)  # of a sample


class ObservationError(Exception):
    """No trustworthy observation now; the text says of what, how old, and the limit."""


class MissingObservation(ObservationError):
    """A part was never received, or not yet for this instant."""


class StaleObservation(ObservationError):
    """A part is older than its robot file allows."""


class FrozenObservation(ObservationError):
    """A part keeps arriving but does not change."""


class ClockStepped(ObservationError):
    """The ROS clock jumped: stamps before and after do not compare."""


@dataclass(frozen=True)
class Observation:
    """
    What the robot saw and where it was at ``t_ref_ns``.

    ``images`` are (height, width, 3) uint8 RGB; a missing camera is absent. ``state`` is (dof,)
    in the order of ``Robot.joints``: rad, grippers 0 closed .. 1 open. ``arrived_ns`` is when the
    last part of it had come, on the ROS clock; it is no part of what was seen.
    """

    t_ref_ns: int
    images: Mapping[str, np.ndarray]
    image_stamps_ns: Mapping[str, int]
    state: np.ndarray
    instruction: str
    arrived_ns: int = 0

    @property
    def digest(self) -> str:
        """Hash of every value, to compare an observation with one made elsewhere."""
        hashed = hashlib.blake2b(digest_size=16)
        hashed.update(self.t_ref_ns.to_bytes(8, 'little', signed=True))
        for name in sorted(self.images):
            shape = self.images[name].shape
            hashed.update(f'{name} {self.image_stamps_ns[name]} {shape}'.encode())
            hashed.update(np.ascontiguousarray(self.images[name]).data)
        hashed.update(np.ascontiguousarray(self.state).data)
        hashed.update(self.instruction.encode())
        return hashed.hexdigest()


@dataclass
class _Stream:
    """The newest samples of one topic, and what was seen of its clock."""

    max_age_ns: int
    samples: deque
    offset_ns: float = 0.0
    repeats: int = 0
    received: int = 0
    slots: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def push(self, stamp_ns: int, value: np.ndarray, arrival_ns: int) -> None:
        self.received += 1
        share = 1.0 if self.received == 1 else 0.05
        self.offset_ns += share * ((arrival_ns - stamp_ns) - self.offset_ns)
        if self.samples and stamp_ns <= self.samples[-1][0]:
            self.repeats += 1
            return
        self.repeats = 0
        self.samples.append((stamp_ns, value, arrival_ns))

    def has_reached(self, t_ref_ns: int) -> bool:
        return bool(self.samples) and self.samples[-1][0] >= t_ref_ns

    def comes_next_after(self, t_ref_ns: int) -> bool:
        """Whether, at the pace seen so far, the next sample will be stamped after ``t_ref_ns``."""
        if len(self.samples) < PACE_FRAMES:
            return False
        shortest_ns = min(b[0] - a[0] for a, b in pairwise(self.samples))
        return self.samples[-1][0] + PACE_SHARE * shortest_ns > t_ref_ns


class ObservationBuffer:
    """
    The last samples of every stream of a robot. ``push_*`` may run beside ``observe``.

    :param allow_missing: wrist cameras a policy may go without (it masks them).
    """

    def __init__(self, robot: Robot, allow_missing: tuple[str, ...] = ()) -> None:
        self._robot = robot
        self._allow_missing = allow_missing
        self._lock = threading.Lock()
        self._has_head = threading.Condition(self._lock)  # apart: joints come far more often
        self._has_more = threading.Condition(self._lock)
        self._images = {
            name: _Stream(_ns(camera.max_age_s), deque(maxlen=_depth(camera.fps)))
            for name, camera in robot.cameras.items()
        }
        self._states = {
            key: _Stream(_ns(topic.max_age_s), deque(maxlen=_depth(topic.rate_hz)))
            for key, topic in robot.file.state_topics.items()
        }

    def push_image(self, camera: str, image: np.ndarray, stamp_ns: int, arrival_ns: int) -> None:
        """Keep a frame. A frame which is not newer than the last one is counted, not kept."""
        with self._lock:
            self._images[camera].push(stamp_ns, image, arrival_ns)
            self._has_more.notify_all()
            if camera == HEAD:
                self._has_head.notify_all()

    def push_state(
        self, key: str, slots: np.ndarray, values: np.ndarray, stamp_ns: int, arrival_ns: int
    ) -> None:
        """Keep the joints of one state topic; ``slots`` are their places in a (dof,) vector."""
        with self._lock:
            self._states[key].slots = slots
            self._states[key].push(stamp_ns, values, arrival_ns)
            self._has_more.notify_all()

    def clear(self) -> None:
        """Forget every sample, as after a step of the clock."""
        with self._lock:
            for stream in (*self._images.values(), *self._states.values()):
                stream.samples.clear()
                stream.repeats = 0

    def newest_head_ns(self) -> int | None:
        """Return the stamp of the newest head frame, or None before the first."""
        with self._lock:
            return self._newest_head_ns()

    def wait_head(self, after_ns: int, timeout_s: float) -> int | None:
        """Return the stamp of the newest head frame once it is after ``after_ns``, or None."""

        def newer_ns() -> int | None:
            newest_ns = self._newest_head_ns()
            return newest_ns if newest_ns is not None and newest_ns > after_ns else None

        with self._has_head:
            return self._has_head.wait_for(newer_ns, timeout_s)

    def is_settled(self, t_ref_ns: int) -> bool:
        """
        Whether waiting brings nothing more of ``t_ref_ns``.

        Joints have reached it; cameras have too, or go at a pace at which their next frame, too
        late for it, is all there is to wait for.
        """
        with self._lock:
            return self._is_settled(t_ref_ns)

    def wait_settled(self, t_ref_ns: int, timeout_s: float) -> bool:
        """Wait until :meth:`is_settled`, at most so long; return whether it is."""
        with self._has_more:
            return self._has_more.wait_for(lambda: self._is_settled(t_ref_ns), timeout_s)

    def _newest_head_ns(self) -> int | None:
        samples = self._images[HEAD].samples
        return samples[-1][0] if samples else None

    def _is_settled(self, t_ref_ns: int) -> bool:
        images = [
            stream
            for name, stream in self._images.items()
            if stream.samples or name not in self._allow_missing
        ]
        return all(state.has_reached(t_ref_ns) for state in self._states.values()) and all(
            image.has_reached(t_ref_ns) or image.comes_next_after(t_ref_ns) for image in images
        )

    def offsets_s(self) -> dict[str, float]:
        """Return arrival minus stamp for each stream, smoothed, in s."""
        with self._lock:
            streams = {**self._images, **self._states}
            return {name: stream.offset_ns * 1e-9 for name, stream in streams.items()}

    def received(self) -> dict[str, int]:
        """Return how many messages each stream has brought."""
        with self._lock:
            return {n: s.received for n, s in {**self._images, **self._states}.items()}

    def observe(self, t_ref_ns: int, instruction: str) -> Observation:
        """
        Return the Observation at the head frame stamped ``t_ref_ns``.

        :raises MissingObservation: a part was never received, or no joint sample follows t_ref.
        :raises StaleObservation: a part is older at t_ref than its ``max_age_s``.
        :raises FrozenObservation: a stream repeats its last stamp.
        """
        with self._lock:
            frames = {name: tuple(s.samples) for name, s in self._images.items()}
            states = [(k, s.slots, tuple(s.samples)) for k, s in self._states.items()]
            frozen = [n for n, s in self._images.items() if s.repeats >= FROZEN_REPEATS]
            frozen += [n for n, s in self._states.items() if s.repeats >= FROZEN_REPEATS]
        if frozen:
            raise FrozenObservation(
                f'{", ".join(frozen)}: {FROZEN_REPEATS} messages with an unchanged stamp'
            )
        images, stamps, arrived_ns = self._frames_at(t_ref_ns, frames)
        state = np.full(self._robot.dof, np.nan)
        for key, slots, samples in states:
            state[slots], came_ns = self._joints_at(t_ref_ns, key, samples)
            arrived_ns = max(arrived_ns, came_ns)
        return Observation(t_ref_ns, images, stamps, state, instruction, arrived_ns)

    def _frames_at(self, t_ref_ns: int, frames: dict) -> tuple[dict, dict, int]:
        images, stamps, arrived_ns = {}, {}, 0
        for name, samples in frames.items():
            before = samples[: bisect_right(samples, t_ref_ns, key=STAMP)]
            if not before:
                if name in self._allow_missing:
                    continue
                raise MissingObservation(f'camera {name}: no frame at or before t_ref')
            stamp_ns, image, came_ns = before[-1]
            age_ns = t_ref_ns - stamp_ns
            if name == HEAD and age_ns:
                raise MissingObservation('camera head: no frame with the stamp t_ref')
            if age_ns > self._images[name].max_age_ns:
                if name in self._allow_missing:
                    continue
                raise StaleObservation(_too_old(f'camera {name}', age_ns, self._images[name]))
            images[name], stamps[name] = image, stamp_ns
            arrived_ns = max(arrived_ns, came_ns)
        return images, stamps, arrived_ns

    def _joints_at(self, t_ref_ns: int, key: str, samples: tuple) -> tuple[np.ndarray, int]:
        stream = self._states[key]
        topic = self._robot.file.state_topics[key].topic
        if not samples:
            raise MissingObservation(f'{topic}: no message yet')
        before = samples[: bisect_right(samples, t_ref_ns, key=STAMP)]
        after = samples[bisect_left(samples, t_ref_ns, key=STAMP) :]
        if not before:
            raise MissingObservation(f'{topic}: no sample at or before t_ref')
        if t_ref_ns - before[-1][0] > stream.max_age_ns:
            raise StaleObservation(_too_old(topic, t_ref_ns - before[-1][0], stream))
        if not after:
            raise MissingObservation(f'{topic}: no sample at or after t_ref yet')
        (t0, q0, _), (t1, q1, came_ns) = before[-1], after[0]
        if t1 - t_ref_ns > stream.max_age_ns:
            raise StaleObservation(
                f'{topic}: silent from {(t_ref_ns - t0) * 1e-6:.0f} ms before to '
                f'{(t1 - t_ref_ns) * 1e-6:.0f} ms after t_ref, '
                f'limit {stream.max_age_ns * 1e-6:.0f} ms'
            )
        if t1 == t0:
            return q0, came_ns
        return q0 + (q1 - q0) * ((t_ref_ns - t0) / (t1 - t0)), came_ns


class ClockWatch:
    """Notices a step of the ROS clock by comparing it with the monotonic clock."""

    def __init__(self, max_step_s: float = 0.1) -> None:
        self._max_step_ns = _ns(max_step_s)
        self._offset_ns: int | None = None

    def check(self, ros_ns: int, monotonic_ns: int) -> None:
        """
        Compare the two clocks with the last call; a slow drift is followed.

        :raises ClockStepped: if they moved apart by more than the limit; then it starts anew.
        """
        last, self._offset_ns = self._offset_ns, ros_ns - monotonic_ns
        if last is not None and abs(self._offset_ns - last) > self._max_step_ns:
            step_s = (self._offset_ns - last) * 1e-9
            limit_s = self._max_step_ns * 1e-9
            raise ClockStepped(f'the ROS clock stepped by {step_s:+.3f} s, limit {limit_s} s')


class FrozenWatch:
    """Notices a camera whose frames keep coming with new stamps and the same pixels."""

    def __init__(self, after_s: float) -> None:
        self._after_ns = _ns(after_s)
        self._last: dict[str, tuple[int, np.ndarray]] = {}

    def check(self, observation: Observation) -> None:
        """
        Compare each frame with the last different one.

        :raises FrozenObservation: if its pixels have not changed for the time allowed.
        """
        for name, image in observation.images.items():
            stamp_ns = observation.image_stamps_ns[name]
            seen_ns, seen = self._last.get(name, (stamp_ns, None))
            if seen is None or not _is_equal(seen, image):
                self._last[name] = (stamp_ns, image)
            elif stamp_ns - seen_ns > self._after_ns:
                age_s = (stamp_ns - seen_ns) * 1e-9
                raise FrozenObservation(f'camera {name}: the same pixels for {age_s:.2f} s')


def _is_equal(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two images are the same; a few rows tell most which are not."""
    return np.array_equal(a[::SAMPLED_ROW], b[::SAMPLED_ROW]) and np.array_equal(a, b)


def _too_old(what: str, age_ns: int, stream: _Stream) -> str:
    return f'{what}: {age_ns * 1e-6:.0f} ms old at t_ref, limit {stream.max_age_ns * 1e-6:.0f} ms'


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)


def _depth(rate_hz: float) -> int:
    return max(8, round(rate_hz))
