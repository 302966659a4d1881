# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
A connection to a rosbridge server that never stores what it cannot send.

roslibpy's own ``Topic.publish`` keeps messages of a lost connection and sends them all when it is
back, which on a robot is a burst of old commands. So messages go to the connection itself, and
only while it is open and drains.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
import fcntl
import itertools
import logging
import struct
import termios
import threading

from roslibpy import Message, Ros
from roslibpy.comm import select_factory

LOGGER = logging.getLogger(__name__)
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 8.0
BACKLOG_BYTES = 4096  # some five arm commands: beyond, the connection has stalled


@dataclass(frozen=True)
class Subscription:
    """A ROS 1 topic we hear; ``every_ms`` is the least time between two messages."""

    topic: str
    type: str
    callback: Callable[[Mapping], None]
    every_ms: int = 0


class RosbridgeLink:
    """
    Subscribes and advertises anew on every connection, and reconnects with growing delays.

    Callbacks come from the connection's thread. ``connections`` counts how often it was made,
    ``dropped`` the messages that could not leave.
    """

    def __init__(
        self,
        subscriptions: Sequence[Subscription],
        advertised: Mapping[str, str],
        on_loss: Callable[[], None],
    ) -> None:
        self._subscriptions = tuple(subscriptions)
        self._advertised = dict(advertised)
        self._on_loss = on_loss
        self._ids = itertools.count(1)
        self._protocol = None
        self._stopped = False
        self.connections = 0
        self.dropped = 0

    def start(self, host: str, port: int) -> None:
        """Begin to connect; this returns at once and never fails."""
        factory = select_factory('asyncio')
        factory.set_initial_delay(FIRST_DELAY_S)
        factory.set_max_delay(LONGEST_DELAY_S)
        self._ros = Ros(host, port, transport='asyncio')
        self._ros.on('close', self._closed)
        for subscription in self._subscriptions:
            self._ros.on(subscription.topic, subscription.callback)
        self._ros.factory.on_ready(self._opened)

    def stop(self) -> None:
        self._stopped = True
        self._ros.factory.maxRetries = 0
        if self._protocol is not None:
            self._protocol.send_close()

    @property
    def is_connected(self) -> bool:
        return self._protocol is not None

    def publish(self, topic: str, msg: Mapping) -> bool:
        """Send a message now, or drop it; return whether it was sent."""
        protocol = self._protocol
        if protocol is None or _backlog_bytes(protocol) > BACKLOG_BYTES:
            self.dropped += 1
            return False
        protocol.send_ros_message(Message({'op': 'publish', 'topic': topic, 'msg': dict(msg)}))
        return True

    def ask(self, service: str, args: Mapping, answer: Callable[[Mapping | None], None]) -> bool:
        """
        Call a service without waiting; return whether the question left.

        :param answer: gets the response, or None where the call failed on the other side.
        """
        protocol = self._protocol
        if protocol is None:
            return False
        request = {
            'op': 'call_service',
            'id': f'call:{next(self._ids)}',
            'service': service,
            'args': dict(args),
        }
        protocol.send_ros_service_request(Message(request), answer, lambda _: answer(None))
        return True

    def call(self, service: str, args: Mapping, timeout_s: float) -> Mapping:
        """
        Call a service and return its response.

        :raises ConnectionError: not connected, refused, or no answer within ``timeout_s``.
        """
        answers: list[Mapping | None] = []
        done = threading.Event()

        def answer(response: Mapping | None) -> None:
            answers.append(response)
            done.set()

        if not self.ask(service, args, answer):
            raise ConnectionError(f'{service}: not connected to rosbridge')
        if not done.wait(timeout_s):
            raise ConnectionError(f'{service}: no answer within {timeout_s:g} s')
        if answers[0] is None:
            raise ConnectionError(f'{service}: rosbridge could not call it')
        return answers[0]

    def abort(self) -> None:
        """Cut a connection that has gone silent; what it still held is lost, as it should be."""
        protocol = self._protocol
        if protocol is not None:
            self._ros.factory.manager.loop.call_soon_threadsafe(protocol.transport.abort)

    def _opened(self, protocol) -> None:
        if self._stopped:
            protocol.send_close()
            return
        # roslibpy 2.1.0 has no handler for the server's complaints (an unknown message type).
        protocol._message_handlers['status'] = _log_status
        for topic, kind in self._advertised.items():
            advertise = {'op': 'advertise', 'topic': topic, 'type': kind, 'queue_size': 1}
            protocol.send_ros_message(Message(advertise))
        for subscription in self._subscriptions:
            subscribe = {
                'op': 'subscribe',
                'topic': subscription.topic,
                'type': subscription.type,
                'throttle_rate': subscription.every_ms,
                'queue_length': 1,
            }
            protocol.send_ros_message(Message(subscribe))
        self.connections += 1
        self._protocol = protocol

    def _closed(self, protocol) -> None:
        self._protocol = None
        self._on_loss()
        if not self._stopped:
            self._ros.factory.on_ready(self._opened)


def _log_status(message: Mapping) -> None:
    LOGGER.warning('rosbridge: %s: %s', message.get('level', 'status'), message.get('msg', ''))


def _backlog_bytes(protocol) -> int:
    """Return how much was written and not yet acknowledged by the other host."""
    transport = protocol.transport
    socket = transport.get_extra_info('socket')
    if transport.is_closing() or socket is None or socket.fileno() < 0:
        return BACKLOG_BYTES + 1
    unacknowledged = fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, struct.pack('i', 0))
    return transport.get_write_buffer_size() + struct.unpack('i', unacknowledged)[0]
