"""Runs a command that dies with the process that started it, even if that is killed with SIGKILL.

`with_parent_death_signal(command)` gives the command to start instead: this file as a script, `python parent_death.py
PARENT_PID MODE COMMAND`, in one of two modes:

- `exec` (Linux): sets the parent-death signal, then executes the command in its own place.
- `watch` (elsewhere): runs the command as a child process and kills it once the parent is gone.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

PR_SET_PDEATHSIG = 1  # linux/prctl.h
POLL_S = 0.2
MODE = "exec" if sys.platform == "linux" else "watch"


def with_parent_death_signal(command: Sequence[str], mode: str = MODE) -> list[str]:
    """`command`, whose first word is an absolute path, wrapped so that it dies with this process.

    `mode`: "exec" or "watch". On Linux it dies with the *thread* that starts it: start it from the main thread.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), mode, *command]


def become(parent_pid: int, command: list[str]) -> NoReturn:
    """Set the parent-death signal SIGKILL and execute the command. Exits with a message if that fails."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"prctl(PR_SET_PDEATHSIG): {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent_pid:  # the parent died before the signal was set
        sys.exit("the process that started this one is gone")
    os.execv(command[0], command)


def watch(parent_pid: int, command: list[str]) -> NoReturn:
    """Run the command, forward SIGTERM to it, kill it when the parent is gone. Exits with its exit code."""
    child = subprocess.Popen(command)

    def forward(signal_number: int, _frame: FrameType | None) -> None:
        child.send_signal(signal_number)

    signal.signal(signal.SIGTERM, forward)
    while child.poll() is None:
        if os.getppid() != parent_pid:
            child.kill()
        time.sleep(POLL_S)
    sys.exit(child.returncode if child.returncode >= 0 else 128 - child.returncode)


if __name__ == "__main__":
    {"exec": become, "watch": watch}[sys.argv[2]](int(sys.argv[1]), sys.argv[3:])
