# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A file which grows by whole MCAP records only, also when the disk is full."""

from collections import deque
import errno
import fcntl
import os
from pathlib import Path

from mcap.data_stream import RecordBuilder
from mcap.records import DataEnd, Footer
from mcap.writer import MCAP0_MAGIC

RESERVE_BYTES = 16 * 2**20  # holds a chunk that did not fit, and the summary of a bag of ~60 GB
RESERVE_NAME = '.reserve'
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class BagFull(Exception):
    """There is no room to go on recording; what was written before stays readable."""

    def __init__(self, path: Path, needed: int, free: int, reason: str) -> None:
        super().__init__(
            f'{path}: {reason}: {needed / 2**20:.1f} MiB needed, {free / 2**20:.1f} MiB free. '
            'Delete old bags or record to another disk.'
        )
        self.path = path
        self.needed = needed
        self.free = free


def free_bytes(path: Path) -> int:
    """Return the space left on the disk of ``path``, or of its nearest existing parent."""
    while not path.exists():
        path = path.parent
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def is_recording(path: Path) -> bool:
    """Return whether a living process is writing the file."""
    with path.open('rb') as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


class RecordFile:
    """
    The stream below ``mcap.writer.Writer``, which calls :meth:`write` with whole records.

    A reserve file beside it holds disk space for the end of the bag. When the disk fills up, the
    reserve is given back for what is due, and ``full`` says that it is time to close.
    """

    def __init__(self, path: Path, keep_free_bytes: int) -> None:
        self.path = path
        self.full: BagFull | None = None
        self.is_broken = False
        self._reserve = path.with_name(RESERVE_NAME)
        self._keep_free = keep_free_bytes
        self._position = 0
        self._boundaries = deque(maxlen=64)
        self._file = path.open('xb', buffering=0)
        fcntl.flock(
            self._file, fcntl.LOCK_EX | fcntl.LOCK_NB
        )  # says that we live; see is_recording
        try:
            with self._reserve.open('wb') as reserve:
                os.posix_fallocate(reserve.fileno(), 0, RESERVE_BYTES)
        except OSError as error:
            self.abandon()
            raise self._no_room(RESERVE_BYTES, error) from error

    def write(self, records: bytes) -> int:
        """
        Append whole records or nothing.

        :raises BagFull: where not even the reserve was enough; see :meth:`end_without_summary`.
        """
        if not records:
            return 0
        if self.is_broken:
            raise self.full or OSError(errno.EIO, 'an earlier write failed', str(self.path))
        try:
            self._append(records)
        except OSError as error:
            if error.errno not in _NO_SPACE:
                self.is_broken = True
                raise
            self.full = self._no_room(len(records), error)
            self._release()
            try:
                self._append(records)
            except OSError:
                self.is_broken = True
                raise self.full from error
        free = free_bytes(self.path)
        if self.full is None and free < self._keep_free:
            reason = 'the disk has reached the space that is kept free'
            self.full = BagFull(self.path, self._keep_free, free, reason)
        return len(records)

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        """Nothing is held back; ``mcap.writer`` expects the method."""

    def prepare_end(self) -> None:
        """Give the reserve back to the disk, for the records which close the bag."""
        self._release()

    def end_without_summary(self) -> None:
        """End the file as an MCAP without index after a failed write; drops the last records."""
        tail = _bare_end()
        while self._boundaries:
            self._cut(self._boundaries.pop())
            try:
                self._append(tail)
                return
            except OSError:
                continue

    def close(self) -> None:
        self._release()
        try:
            os.fdatasync(self._file.fileno())
        finally:
            self._file.close()

    def abandon(self) -> None:
        """Close and remove the file."""
        self._release()
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _append(self, records: bytes) -> None:
        start, rest = self._position, memoryview(records)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            self._cut(start)
            raise
        self._position += len(records)
        self._boundaries.append(self._position)

    def _cut(self, position: int) -> None:
        self._file.truncate(position)
        self._file.seek(position)
        self._position = position

    def _release(self) -> None:
        self._reserve.unlink(missing_ok=True)

    def _no_room(self, needed: int, error: OSError) -> BagFull:
        return BagFull(self.path, needed, free_bytes(self.path), os.strerror(error.errno))


def _bare_end() -> bytes:
    builder = RecordBuilder()
    DataEnd(0).write(builder)
    Footer(summary_start=0, summary_offset_start=0, summary_crc=0).write(builder)
    return builder.end() + MCAP0_MAGIC
