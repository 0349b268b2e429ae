"""Ctrl-C and SIGTERM: whatever a process does, it ends within two seconds and says how to go on.

Python answers a signal between two of its own instructions, which a compiling XLA keeps it from for
many seconds. So a thread is told of the signal as well: it gives the process time to end by itself,
and then ends it. Nothing is lost by that: a tile counts once it is whole on the disk.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import sys
import threading
import types
from collections.abc import Iterator
from typing import Any, NoReturn

GRACE_SECONDS = 1.4  # for a process to end by itself

_going_on: list[str] = []  # what to type to finish what is underway
_told = threading.Lock()  # taken by who tells of it


@contextlib.contextmanager
def resumable(command: str) -> Iterator[None]:
    """What runs here can be finished by `command`, if it is interrupted."""
    _going_on.append(command)
    yield
    _going_on.remove(command)  # not if it was cut short: then it is what to type


@contextlib.contextmanager
def heard() -> Iterator[list[int]]:
    """Lets Ctrl-C and SIGTERM raise, and watches that the process ends; yields the numbers of those
    that came."""
    came: list[int] = []

    def handle(number: int, frame: Any) -> None:
        if came:
            return  # the process is ending already
        if frame is not None and "gc_callback" in frame.f_code.co_name:
            # what is raised in JAX's callback of the garbage collector is lost: once more, later
            threading.Timer(0.01, signal.raise_signal, (number,)).start()
            return
        came.append(number)
        if _is_importing(frame):
            leave(128 + number)
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    numbers = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        with _watched(numbers):
            yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_importing(frame: types.FrameType | None) -> bool:
    """Whether a module is being imported: what is raised there can leave a library half made, which
    crashes then, or be taken for something else."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def leave(code: int) -> NoReturn:
    """Ends an interrupted process without taking XLA down: cut short while it compiles, it crashes
    there, with an exit code of its own."""
    _say()
    atexit._run_exitfuncs()  # the watching thread does not wait for them either
    sys.stdout.flush()
    os._exit(code)


def _say() -> None:
    """Tells once that the process was interrupted, and how to go on."""
    if not _told.acquire(blocking=False):
        return
    shown = "\x1b[?25h" if sys.stderr.isatty() else ""  # a cursor that a progress bar has hidden
    how = f"; what was finished is kept: {_going_on[-1]}" if _going_on else ""
    print(f"{shown}gdexp: interrupted{how}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _watched(numbers: list[int]) -> Iterator[None]:
    """Ends the process from a thread of its own if it does not end soon after a signal."""
    told, tell = socket.socketpair()
    tell.setblocking(False)
    over = threading.Event()

    def watch() -> None:
        while number := told.recv(1):
            if number[0] in numbers:
                if not over.wait(GRACE_SECONDS):
                    _say()
                    os._exit(128 + number[0])
                return

    before = signal.set_wakeup_fd(tell.fileno(), warn_on_full_buffer=False)
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(before)
        tell.close()
        thread.join()
        told.close()
