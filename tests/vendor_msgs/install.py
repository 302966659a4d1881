# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Build the vendors' test messages once and install them beside the ROS wheels of this Python.

``python tests/vendor_msgs/install.py`` costs a compilation the first time and nothing afterwards:
wheels are kept by the hash of their sources in the user's cache folder.
"""

import fcntl
import hashlib
from importlib import metadata
from importlib.util import find_spec
import os
from pathlib import Path
import subprocess
import sys
import sysconfig

HERE = Path(__file__).resolve().parent
MARKER = Path(sys.prefix) / 'share' / 'lingbot_vendor_test_msgs' / 'digest'
SOURCES = ('CMakeLists.txt', 'pyproject.toml', '*/CMakeLists.txt', '*/*/*.msg', '*/*/*.srv')


def main() -> int:
    try:
        rclpy_version = metadata.version('ros-rclpy')
    except metadata.PackageNotFoundError:
        sys.stderr.write('no wheels of ROS here: build tests/vendor_msgs/* by colcon\n')
        return 0
    digest = digest_of(rclpy_version)
    MARKER.parent.mkdir(parents=True, exist_ok=True)
    with (MARKER.parent / 'lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (MARKER.is_file() and MARKER.read_text() == digest):
            install(wheel_for(digest))
            MARKER.write_text(digest)
    return 0


def digest_of(rclpy_version: str) -> str:
    """Return a hash of the sources and of what they are compiled for."""
    digest = hashlib.sha256(f'{rclpy_version} {sysconfig.get_platform()} {sys.version}'.encode())
    for path in sorted(path for pattern in SOURCES for path in HERE.glob(pattern)):
        digest.update(path.relative_to(HERE).as_posix().encode() + b'\0' + path.read_bytes())
    return digest.hexdigest()[:16]


def wheel_for(digest: str) -> Path:
    """Return the wheel of these sources, built now if it was never built before."""
    cache = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
    folder = cache / 'lingbot' / 'vendor_test_msgs' / digest
    if not (built := sorted(folder.glob('*.whl'))):
        # The isolated build takes its tools from the index; where they are installed they serve.
        isolation = ['--no-build-isolation'] if find_spec('scikit_build_core') else []
        pip('wheel', *isolation, '--no-deps', '--wheel-dir', str(folder), str(HERE))
        built = sorted(folder.glob('*.whl'))
    return built[0]


def install(wheel: Path) -> None:
    pip('install', '--no-deps', '--force-reinstall', str(wheel))


def pip(*arguments: str) -> None:
    command = [sys.executable, '-m', 'pip', '-q', '--disable-pip-version-check', *arguments]
    subprocess.run(command, check=True)


if __name__ == '__main__':
    sys.exit(main())
