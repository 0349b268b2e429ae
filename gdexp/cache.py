"""What XLA compiled, kept for the processes to come: JAX's own cache, in a folder of the user's.

An entry is machine code that is run as the user, so only a folder that nobody else can write to is
used. JAX tells entries apart by program, versions, flags, device and CPU features.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache

from gdexp.base import UsageError

MOST_BYTES = 2**28  # of all entries: a program takes some 100 KiB

# The settings of JAX while a program is looked up, compiled and kept.
SETTINGS = {
    "jax_persistent_cache_min_compile_time_secs": 0.0,  # JAX's own is 1: most programs take less
    "jax_persistent_cache_min_entry_size_bytes": -1,
    "jax_compilation_cache_max_size": -1,  # JAX bounds it only where filelock is installed
    "jax_raise_persistent_cache_errors": True,  # a warning could not be answered: see `compiled`
}

_lock = threading.Lock()
_threads = 0  # that are in `_used`: the settings are the process's, the first and the last set them
_before: dict[str, Any] = {}


def compiled(
    lowered: jax.stages.Lowered, options: Mapping[str, Any] | None = None
) -> jax.stages.Compiled:
    """The program that XLA makes of `lowered`: as a process before kept it, or compiled and kept.

    A cache that the user set up for JAX (JAX_COMPILATION_CACHE_DIR) or switched off
    (JAX_ENABLE_COMPILATION_CACHE=false) comes before this one. Whatever is wrong with the folder or
    an entry costs a compilation, never the sweep.

    Args:
      lowered: the program.
      options: XLA's, as `lowered.compile` takes them.
    """
    with _lock:
        own = not _threads and jax.config.jax_compilation_cache_dir
    if own or not jax.config.jax_enable_compilation_cache or (kept := folder()) is None:
        return lowered.compile(options)
    try:
        with _used(kept):
            made = lowered.compile(options)
    except Exception:  # of the cache, or of the program itself: then it is raised again here
        made = lowered.compile(options)
        _trim(kept, -1)  # all of it: JAX never replaces an entry that is broken
    else:
        _trim(kept, MOST_BYTES)
    return made


def check() -> None:
    """Raises UsageError if a cache that the user set up for JAX can be written by everybody."""
    own = jax.config.jax_enable_compilation_cache and jax.config.jax_compilation_cache_dir
    if not own or "://" in own or not hasattr(os, "geteuid"):
        return
    with contextlib.suppress(OSError):  # it is not there: JAX makes it
        if os.stat(own).st_mode & stat.S_IWOTH:
            raise UsageError(
                f"{own} can be written by everybody, and JAX runs the code that it keeps there: "
                f"type chmod o-w {own}, or leave JAX_COMPILATION_CACHE_DIR out"
            )


def folder() -> Path | None:
    """$XDG_CACHE_HOME/gdexp or ~/.cache/gdexp, made if need be; None where it is not ours alone."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME", ""))
        path = (base if base.is_absolute() else Path.home() / ".cache") / "gdexp"
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except (OSError, RuntimeError):  # there is no home, or no room in it
        return None
    if hasattr(os, "geteuid"):  # Windows keeps a home to its user
        others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or others:
            return None
    return path if os.access(path, os.W_OK | os.X_OK) else None


@contextlib.contextmanager
def _used(path: Path) -> Iterator[None]:
    """JAX with its cache in `path`, and as it was before when the last thread leaves."""
    global _threads
    with _lock:
        if not _threads:
            wanted = SETTINGS | {"jax_compilation_cache_dir": str(path)}
            _before.update({name: getattr(jax.config, name) for name in wanted})
            _set(wanted)
        _threads += 1
    try:
        yield
    finally:
        with _lock:
            _threads -= 1
            if not _threads:
                _set(_before)


def _set(values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()  # JAX reads where its cache is only once


def _trim(path: Path, most: int) -> None:
    """Takes the oldest entries away until the others fit into `most` bytes."""
    with contextlib.suppress(OSError):  # another process does the same
        found = [(entry.stat(), entry) for entry in path.glob("*-cache")]  # as JAX names them
        found.sort(key=lambda each: each[0].st_mtime_ns, reverse=True)
        size = 0
        for about, entry in found:
            size += about.st_size
            if size > most:
                entry.unlink()
