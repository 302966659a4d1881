# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The ``lingbot`` command: runs it and turns every end into an exit code and one clear message."""

import sys

USER_ERROR = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def main(arguments: list[str] | None = None) -> int:
    """
    Run the command line and return its exit code.

    0 done, 1 a check or a figure failed, 2 a mistake of the user, 130 Ctrl-C. A traceback means a
    bug of ours.
    """
    try:
        from lingbot_policy.cli.app import run  # late: Ctrl-C during the imports ends quietly too

        return run(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader, as `head`, has what it wants
        return 0
    except ValueError as error:
        return _refuse(str(error))
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        where = '' if error.filename is None else f'{error.filename}: '
        return _refuse(f'{where}{error.strerror or error}')


def _refuse(message: str) -> int:
    sys.stderr.write(f'lingbot: {message}\n')
    return USER_ERROR


if __name__ == '__main__':
    sys.exit(main())
