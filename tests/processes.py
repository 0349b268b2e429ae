"""gdexp in processes of their own, for tests of what several of them do."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import gdexp

ROOT = Path(__file__).parents[1]


@contextlib.contextmanager
def begun(*words, cwd, **variables):
    """`python -m gdexp WORDS`, with more variables in its environment."""
    with subprocess.Popen(
        [sys.executable, "-m", "gdexp", *map(str, words)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def says(*words, cwd, code=0, **variables):
    """What it has said when it has ended with an exit code."""
    with begun(*words, cwd=cwd, **variables) as process:
        out, err = process.communicate(timeout=300)
    assert process.returncode == code, err
    return out + err


def prints(text, cwd):
    """What a program of Python prints, which must end well."""
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def hashes(folder):
    """The hashes of all tiles of a sweep, which it must have, in their order."""
    tiles = gdexp.load(folder).manifest["tiles"]
    assert [tile["part"] for tile in tiles] == list(range(len(tiles)))
    return [tile["sha256"] for tile in tiles]
