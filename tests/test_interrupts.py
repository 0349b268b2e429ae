"""A signal ends a process, whatever it is doing, and what it says is one line."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cases import sifted

from gdexp import interrupts

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signals")

# Hashing for minutes: like XLA while it compiles, it lets no handler of Python run until then.
BUSY = """
import hashlib, pathlib, sys
from gdexp import interrupts
with interrupts.heard(), interrupts.resumable("type this"):
    pathlib.Path(sys.argv[1]).touch()
    hashlib.pbkdf2_hmac("sha256", b"a", b"b", 2_000_000_000)
"""
STUBBORN = """
import atexit, pathlib, sys, time
from gdexp import interrupts
atexit.register(time.sleep, 600)
with interrupts.heard() as came:
    try:
        pathlib.Path(sys.argv[1]).touch()
        time.sleep(600)
    except KeyboardInterrupt:
        interrupts.leave(128 + came[0])
"""


@pytest.mark.parametrize(
    ("code", "how"), [(BUSY, "; what was finished is kept: type this"), (STUBBORN, "")]
)
@pytest.mark.parametrize("number", sifted([signal.SIGINT, signal.SIGTERM], 2))
def test_a_process_that_cannot_hear_or_end_is_ended(code, how, number, tmp_path):
    if code is STUBBORN and number == signal.SIGTERM:
        code = code.replace("KeyboardInterrupt", "SystemExit")
    begun = tmp_path / "begun"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(begun)],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        while not begun.exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(0.2)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert err == f"gdexp: interrupted{how}\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_imports_ends_at_once_and_raises_nothing(number, tmp_path):
    """What is raised while numpy is imported can crash it, or be taken for an ImportError."""
    (tmp_path / "half.py").write_text(f"import signal\nsignal.raise_signal({number:d})\nprint(1)\n")
    code = """
from gdexp import interrupts
with interrupts.heard():
    try:
        import half
    finally:
        print("went on")
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (128 + number, "")
    assert done.stderr == "gdexp: interrupted\n"


def test_handlers_and_the_wakeup_are_given_back():
    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyboardInterrupt), interrupts.heard() as came:
        signal.raise_signal(signal.SIGINT)
    assert came == [signal.SIGINT]
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert signal.set_wakeup_fd(-1) == -1


def test_what_ended_well_is_not_to_be_resumed(monkeypatch):
    monkeypatch.setattr(interrupts, "_going_on", [])  # without what other tests have cut short
    with interrupts.resumable("one"), pytest.raises(OSError), interrupts.resumable("two"):
        raise OSError
    assert interrupts._going_on == ["two"]
