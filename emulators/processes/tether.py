"""Ties a process to its holder, then becomes the command: `python -I -S tether.py HOLDER_PID SIGNAL COMMAND…`.

Ctrl-C and errors are handled by the holder; a `kill -9` of the holder is not, and would leave JVMs and ports behind. So
the kernel is asked to send a signal when the holder dies. Done by a small program between fork and exec, since running
Python after a fork in a process with gRPC threads may hang. Linux only; elsewhere it just becomes the command.
"""

import os
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    holder, number, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != holder:
        # It died before the kernel was asked.
        raise SystemExit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
