# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A bag as the observations which a policy server makes of it: the same code, without ROS."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
import logging

from lingbot_policy.bags.read import BagReader
from lingbot_policy.bags.write import ROBOT_ATTACHMENT
from lingbot_policy.decode import Converter, image_from_msg, stamp_ns, StateDecoder
from lingbot_policy.observation import Observation, ObservationBuffer, ObservationError
from lingbot_policy.robot import parse_robot, Robot

LOGGER = logging.getLogger(__name__)
SETTLE_NS = 500_000_000  # of log time: what comes later than this is not waited for


@dataclass(frozen=True)
class ReplayedFrame:
    """A head frame of a bag: its observation, or None and what was wrong."""

    t_ref_ns: int
    observation: Observation | None
    problem: str = ''


def recorded_robot(bag: BagReader) -> Robot:
    """
    Return the robot whose file the recorder attached to a bag.

    :raises ValueError: where none is attached, as in bags of other recorders.
    """
    text = bag.attachments().get(ROBOT_ATTACHMENT)
    if text is None:
        raise ValueError(f'{bag.path}: no {ROBOT_ATTACHMENT} is attached; name the robot')
    return parse_robot(text, f'{bag.path}: {ROBOT_ATTACHMENT}')


def streamed_topics(robot: Robot) -> dict[str, str]:
    """Return the topics an observation is made of, by name: their message types."""
    bound = (*robot.file.state_topics.values(), *robot.cameras.values())
    return {robot.topic(entry.topic): entry.type for entry in bound}


def replay(
    bag: BagReader, robot: Robot, instruction: str = '', converter: Converter | None = None
) -> Iterator[ReplayedFrame]:
    """
    Yield every head frame of a bag, in order, with the observation at its stamp.

    A topic with ``stamp: arrival`` counts from when the recorder received it.

    :param converter: as of :func:`~lingbot_policy.decode.image_from_msg`.
    :raises ValueError: where the bag lacks a topic of the robot.
    """
    buffer = ObservationBuffer(robot)
    pushes = _pushes(robot, buffer, converter)
    waiting: deque[tuple[int, int]] = deque()  # stamp and log time of head frames
    unreadable: set[str] = set()
    for entry in bag.messages(pushes):
        newest_ns = buffer.newest_head_ns()
        try:
            pushes[entry.topic](entry.msg, entry.log_time_ns)
        except ValueError as error:
            if entry.topic not in unreadable:
                LOGGER.warning('%s: %s', bag.path, error)
            unreadable.add(entry.topic)
        if buffer.newest_head_ns() != newest_ns:
            waiting.append((buffer.newest_head_ns(), entry.log_time_ns))
        while waiting and _is_due(buffer, *waiting[0], entry.log_time_ns):
            yield _observe(buffer, waiting.popleft()[0], instruction)
    for t_ref_ns, _ in waiting:
        yield _observe(buffer, t_ref_ns, instruction)


def _is_due(buffer: ObservationBuffer, t_ref_ns: int, logged_ns: int, now_ns: int) -> bool:
    return buffer.is_settled(t_ref_ns) or now_ns - logged_ns > SETTLE_NS


def _observe(buffer: ObservationBuffer, t_ref_ns: int, instruction: str) -> ReplayedFrame:
    try:
        return ReplayedFrame(t_ref_ns, buffer.observe(t_ref_ns, instruction))
    except ObservationError as error:
        return ReplayedFrame(t_ref_ns, None, f'{type(error).__name__}: {error}')


def _pushes(robot: Robot, buffer: ObservationBuffer, converter: Converter | None) -> dict:
    """Return by topic what takes a message and its log time into the buffer."""

    def push_state(key: str, decoder: StateDecoder, stamped: bool, msg, log_ns: int) -> None:
        stamp = stamp_ns(msg) if stamped else log_ns
        buffer.push_state(key, decoder.slots, decoder.decode(msg), stamp, log_ns)

    def push_image(name: str, msg, log_ns: int) -> None:
        camera = robot.cameras[name]
        stamp = stamp_ns(msg) if camera.stamp == 'header' else log_ns
        buffer.push_image(name, image_from_msg(msg, camera, name, converter), stamp, log_ns)

    pushes = {
        robot.topic(topic.topic): partial(
            push_state, key, StateDecoder(robot, key), topic.stamp == 'header'
        )
        for key, topic in robot.file.state_topics.items()
    }
    cameras = {robot.topic(robot.cameras[n].topic): partial(push_image, n) for n in robot.cameras}
    return {**pushes, **cameras}
