"""The exit codes of every command: what a supervisor or a script does next."""

from __future__ import annotations

from typing import Final

DONE: Final = 0
FAILED: Final = 1  # the command failed; one sentence on stderr
USAGE: Final = 2  # argparse's own: wrong flags or arguments
RESTART: Final = 70  # EX_SOFTWARE of sysexits.h: a long-running command failed; start it again
REFUSED: Final = 78  # EX_CONFIG of sysexits.h: it fails again until the cause that its sentence names is fixed
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count: Ctrl-C
