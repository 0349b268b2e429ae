"""The cache of compiled programs: kept between processes, private, and never what ends a sweep."""

import contextlib
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from gdexp import cache
from gdexp.base import UsageError

ROOT = Path(__file__).parents[1]
X = np.linspace(-1, 1, 64, dtype=np.float32)
posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows knows no such rights")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty folder for caches, and a JAX that nobody has given a cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    theirs = jax.config.jax_compilation_cache_dir
    set_directory(None)
    yield tmp_path
    set_directory(theirs)


def set_directory(path):
    jax.config.update("jax_compilation_cache_dir", path if path is None else str(path))
    compilation_cache.reset_cache()


@contextlib.contextmanager
def set_to(setting, value):
    """JAX with another setting."""
    before = getattr(jax.config, setting)
    jax.config.update(setting, value)
    try:
        yield
    finally:
        jax.config.update(setting, before)


def at_once():
    """JAX keeps what compiles in less than its second, too."""
    return set_to("jax_persistent_cache_min_compile_time_secs", 0.0)


def lowered(scale=2.0):
    """A program that no call has made before, though its text be the same."""
    return jax.jit(lambda x: jnp.sin(x) * scale).lower(X)


def entries(folder):
    return sorted(folder.rglob("*-cache"))


@contextlib.contextmanager
def events():
    """A list of what JAX does with its cache: looks for an entry, finds it, writes one."""
    names = {"compile_requests_use_cache": "look", "cache_hits": "find", "cache_misses": "write"}
    seen = []

    def listen(event, **_):
        name = event.rpartition("/")[2]
        if name in names:
            seen.append(names[name])

    jax.monitoring.register_event_listener(listen)
    try:
        yield seen
    finally:
        jax.monitoring.unregister_event_listener(listen)


def test_what_was_compiled_once_is_read_the_next_time(home):
    with events() as first:
        made = cache.compiled(lowered())
    with events() as second:
        read = cache.compiled(lowered())
    assert (first, second) == (["look", "write"], ["look", "find"])
    assert np.array_equal(made(X), read(X))
    assert entries(home) == entries(home / "gdexp") != []


CHILD = """
import sys
import jax, jax.numpy as jnp, numpy as np
from gdexp import cache
from gdexp.base import UsageError
found = []
jax.monitoring.register_event_listener(lambda event, **_: found.append(event.rpartition("/")[2]))
x = np.linspace(-1, 1, 64, dtype=np.float32)
program = cache.compiled(jax.jit(lambda x: jnp.sin(x) * jnp.exp(x).sum()).lower(x))
print("found" if "cache_hits" in found else "compiled", np.asarray(program(x)).tobytes().hex())
"""


def begin(home):
    kept = {key: os.environ[key] for key in ("PATH", "SYSTEMROOT") if key in os.environ}
    own = {"XDG_CACHE_HOME": str(home), "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", CHILD],
        env=kept | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process):
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    return out.split()


def test_processes_share_it_also_at_once(home):
    together = [begin(home), begin(home)]
    (_, bits), (_, others) = (ended(process) for process in together)
    assert ended(begin(home)) == ["found", bits]
    assert bits == others
    assert len(entries(home)) == 1


def test_threads_share_it_and_the_last_one_leaves_it(home):
    before, barrier = dict(jax.config.values), threading.Barrier(4)

    def one(scale):
        program = lowered(scale)
        barrier.wait()
        return cache.compiled(program)(X)

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(one, [1.0, 2.0, 3.0, 4.0]))
    assert all(np.allclose(y, scale * np.sin(X)) for scale, y in enumerate(made, 1))
    assert len(entries(home)) == 4
    assert dict(jax.config.values) == before


def test_options_reach_xla(home):
    with pytest.raises(jax.errors.JaxRuntimeError, match="no_such_option"):
        cache.compiled(lowered(), {"no_such_option": True})
    program = cache.compiled(lowered(), {"xla_cpu_enable_fast_math": True})
    assert np.allclose(program(X), 2 * np.sin(X), atol=1e-6)


# -- what was there before ---------------------------------------------------------------------


def test_jax_is_as_it_was_also_after_an_error(home):
    before = dict(jax.config.values)
    cache.compiled(lowered())
    with pytest.raises(jax.errors.JaxRuntimeError):
        cache.compiled(lowered(), {"no_such_option": True})
    assert dict(jax.config.values) == before
    kept = entries(home)
    lowered(3.0).compile()
    assert entries(home) == kept, "other programs of the process are not kept"


def test_a_cache_of_the_users_own_comes_first(home):
    set_directory(home / "theirs")
    with at_once():
        cache.compiled(lowered())
    assert entries(home) == entries(home / "theirs") != []
    assert not (home / "gdexp").exists()
    assert jax.config.jax_compilation_cache_dir == str(home / "theirs")


def test_a_cache_set_up_later_is_used_from_then_on(home):
    cache.compiled(lowered())
    jax.config.update("jax_compilation_cache_dir", str(home / "theirs"))
    with at_once():
        lowered().compile()
    assert len(entries(home / "theirs")) == 1


def test_it_can_be_switched_off(home):
    with set_to("jax_enable_compilation_cache", False):
        cache.compiled(lowered())
    assert list(home.iterdir()) == []


# -- the folder --------------------------------------------------------------------------------


@posix
def test_the_folder_is_made_for_the_user_alone(home):
    assert cache.folder() == home / "gdexp"
    assert (home / "gdexp").stat().st_mode & 0o777 == 0o700


def test_without_a_word_it_lies_in_the_home(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "me")
    for word in ("", "relative/path"):  # which the XDG specification says to ignore
        monkeypatch.setenv("XDG_CACHE_HOME", word)
        assert cache.folder() == tmp_path / "me" / ".cache" / "gdexp"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.folder() == tmp_path / "me" / ".cache" / "gdexp"


def homeless():
    raise RuntimeError("Could not determine home directory.")


@posix
@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder, _: folder.chmod(0o770),
        lambda folder, _: folder.chmod(0o702),
        lambda folder, patch: patch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1),
        lambda folder, _: (folder.rename(folder.with_name("x")), folder.symlink_to("x")),
        lambda folder, _: (folder.rmdir(), folder.write_text("a file")),
        lambda folder, patch: patch.setenv("XDG_CACHE_HOME", "/dev/null/no"),
        lambda folder, patch: patch.setattr(os, "access", lambda *_: False),
        lambda folder, patch: (
            patch.delenv("XDG_CACHE_HOME"),
            patch.setattr(Path, "home", homeless),
        ),
    ],
    ids=["group", "others", "owner", "link", "file", "nowhere", "unwritable", "homeless"],
)
def test_a_folder_that_is_not_the_users_alone_is_left(home, monkeypatch, spoil):
    spoil(cache.folder(), monkeypatch)
    assert cache.folder() is None
    assert np.allclose(cache.compiled(lowered())(X), 2 * np.sin(X), atol=1e-6)
    monkeypatch.undo()
    assert entries(home) == []


def test_the_oldest_entries_leave_when_it_is_full(home, monkeypatch):
    for age in (3, 2, 1):
        before = entries(home)
        cache.compiled(lowered(float(age)))
        [new] = set(entries(home)) - set(before)
        os.utime(new, (0, 10**9 - age))
    oldest, *others = sorted(entries(home), key=lambda path: path.stat().st_mtime)
    (home / "gdexp" / "note.txt").write_text("of the user")
    monkeypatch.setattr(cache, "MOST_BYTES", sum(path.stat().st_size for path in others))
    cache.compiled(lowered(1.0))
    assert entries(home) == sorted(others)
    assert not oldest.exists() and (home / "gdexp" / "note.txt").exists()


# -- what is broken ----------------------------------------------------------------------------


@pytest.mark.parametrize("left", [0, 100, -1], ids=["empty", "cut", "last-byte"])
def test_a_broken_entry_is_compiled_again_and_taken_away(home, left):
    cache.compiled(lowered())
    [entry] = entries(home)
    entry.write_bytes(entry.read_bytes()[:left])
    before = dict(jax.config.values)
    assert np.allclose(cache.compiled(lowered())(X), 2 * np.sin(X), atol=1e-6)
    assert entries(home) == []
    assert dict(jax.config.values) == before
    for expected in ("write", "find"):
        with events() as seen:
            cache.compiled(lowered())
        assert seen == ["look", expected]


def test_a_full_disk_costs_nothing_but_the_cache(home, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert np.allclose(cache.compiled(lowered())(X), 2 * np.sin(X), atol=1e-6)


def test_what_xla_refuses_is_raised_and_takes_no_entry_along(home):
    cache.compiled(lowered())
    with pytest.raises(jax.errors.JaxRuntimeError, match="no_such_option"):
        cache.compiled(lowered(), {"no_such_option": True})
    assert len(entries(home)) == 1


@posix
def test_a_cache_of_ones_own_that_everybody_can_write_to_is_refused(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    set_directory(shared)
    cache.check()
    shared.chmod(0o777)
    with pytest.raises(UsageError, match=f"type chmod o-w {shared}"):
        cache.check()
    with set_to("jax_enable_compilation_cache", False):
        cache.check()
    for harmless in (tmp_path / "nothing", "gs://bucket/cache", None):
        set_directory(harmless)
        cache.check()
