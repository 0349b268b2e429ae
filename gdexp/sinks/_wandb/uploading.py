"""Uploads a W&B run while it is written, in a process of its own that may hang or fail.

Run as a script it is that process: it starts W&B's own `sync`, and ends it if that takes too long
after the sweep is over. Its standard input ends when the sweep does.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import sys
import threading
from pathlib import Path

AFTERWARDS = 600.0  # seconds in which what is left may be uploaded once the sweep is over
ARRIVED = re.compile(r"\bView run\b.* at (https?://\S+)")  # once the server has answered


class Upload:
    """The upload of one run, as seen by the sweep, which never waits for it."""

    def __init__(self, folder: Path):
        """Begins.

        Args:
          folder: of the run; what it names by relative paths is found from there.
        """
        self._folder = folder
        self._told = folder.with_name(f"upload-{folder.name}.log")
        with open(self._told, "xb") as log:  # never through a link
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__],  # nothing is imported from beside it
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,  # Ctrl-C is for the sweep; in its session nice counts
            )

    @property
    def failed(self) -> str | None:
        """Why it has come to an end without everything uploaded."""
        if self._process.poll() is None or any(self._folder.glob("*.wandb.synced")):
            return None
        lines = self._log().split("\n")
        return next((line for line in reversed(lines) if line), "no reason was told")

    @property
    def url(self) -> str | None:
        """Where the run can be seen, once the server has answered."""
        found = ARRIVED.search(self._log())
        return found and found[1]

    def let_go(self) -> None:
        """The sweep is over: the upload has AFTERWARDS seconds left, and nobody waits for it."""
        with contextlib.suppress(OSError):  # it may have ended
            self._process.stdin.close()
        if self._process.poll() is None:
            self._process.returncode = 0  # else Python complains that it is still running

    def _log(self) -> str:
        text = self._told.read_text(errors="replace")
        return "\n".join(line.removeprefix("wandb: ").strip() for line in text.splitlines())


def command(folder: Path) -> str:
    """What uploads a run later. W&B loses the files of a run that is named from elsewhere."""
    return f"(cd {shlex.quote(str(folder))} && wandb sync .)"


def main() -> int:
    """Syncs the run in the working directory until it is finished, or until time is up."""
    _give_way()
    sync = subprocess.Popen(
        [sys.executable, "-P", "-m", "wandb", "beta", "sync", "--live", "--yes", "."],
        stdin=subprocess.DEVNULL,
    )
    threading.Thread(target=_limit, args=[sync], daemon=True).start()
    return sync.wait()


def _give_way() -> None:
    """The sweep goes first: on Linux this process has what the sweep leaves of each core."""
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    elif hasattr(os, "nice"):
        os.nice(19)


def _limit(sync: subprocess.Popen) -> None:
    sys.stdin.read()
    try:
        sync.wait(AFTERWARDS)
    except subprocess.TimeoutExpired:
        print(f"gdexp: not uploaded {AFTERWARDS:.0f} seconds after the sweep's end; given up")
        sync.kill()


if __name__ == "__main__":
    sys.exit(main())
