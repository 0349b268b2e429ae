"""The commit protocol: what it promises, when anything fails, and that the tests would notice.

Each promise is a function of a protocol, `commits` with its `store`, and a folder to spoil. The
real one keeps them all; of each mutant, the real one with a line changed, one at least must fail.
"""

import builtins
import contextlib
import errno
import io
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import threading
import types
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from cases import sifted

import gdexp
from gdexp import __main__, api, commits, files, job, plan, shelf, store, verify

ROOT = Path(__file__).parents[1]


class Protocol:
    """`commits` and `store`, as they are or with lines changed."""

    def __init__(self, monkeypatch, **lines):
        self.store = _changed(store, lines.get("store", []))
        self.store.files = _changed(files, lines.get("files", []))
        self.commits = _changed(commits, lines.get("commits", []))
        self.commits.store = self.store
        monkeypatch.setattr(shelf, "store", self.store)

    def write(self, folder, number=1):
        """Stores a tile anew, as the process does that has made it."""
        found, tile, table, told = _made(folder, number)
        return self.commits.write(found, tile, table, told.tally)

    def read(self, folder, number=1):
        found = gdexp.load(folder)
        tile = list(found.plan.tiles())[number]
        return self.commits.read(folder, tile, found.manifest["identity"])

    def finished(self, folder):
        found = gdexp.load(folder)
        tiles = found.plan.tiles()
        identity = found.manifest["identity"]
        return [tile.part for tile, _ in self.commits.finished(folder, tiles, identity)]


def _changed(module, lines):
    """A module of its own with some of its text replaced."""
    text = Path(module.__file__).read_text()
    for before, after in lines:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    made = types.ModuleType(module.__name__)
    made.__file__ = module.__file__
    exec(compile(text, module.__file__, "exec"), vars(made))
    return made


_kept = {}


def _made(folder, number):
    """What a process holds that has made a tile: as the undisturbed sweep has it."""
    found = gdexp.load(folder)
    tile = list(found.plan.tiles())[number]
    if number not in _kept:
        told = commits.read(folder, tile, found.manifest["identity"])
        _kept[number] = (pq.read_table(part(folder, number)), told)
    return found, tile, *_kept[number]


@pytest.fixture
def folder(whole, tmp_path):
    """A copy of a finished sweep that may be spoilt; its tile 1 is not there."""
    folder = shutil.copytree(whole, tmp_path / "sweep")
    _made(folder, 1)
    return emptied(folder)


def emptied(folder):
    part(folder, 1).unlink(missing_ok=True)
    record(folder, 1).unlink(missing_ok=True)
    return folder


def part(folder, number):
    return folder / "runs" / f"part-{number:06d}.parquet"


def record(folder, number):
    return folder / ".tiles" / f"part-{number:06d}.json"


# -- what is promised --------------------------------------------------------------------------


def a_tile_that_was_stored_counts(protocol, folder):
    told = protocol.write(folder)
    assert protocol.read(folder) == told
    assert protocol.finished(folder) == [0, 1, 2, 3]


def harm_is_noticed(protocol, folder, times=60):
    protocol.write(folder)
    told, chance = protocol.read(folder), random.Random(0)
    assert told is not None
    for file in (part(folder, 1), record(folder, 1)):
        whole = file.read_bytes()
        for _ in range(times // 2):
            file.write_bytes(harmed(whole, chance))
            found = protocol.read(folder)
            # a bit of a record may mean nothing, such as a space: then it says what was written
            assert found is None or (found == told and file.suffix == ".json")
        file.write_bytes(whole)


def harmed(content, chance):
    """A bit flipped, some bytes written over, the end lost, or everything."""
    at, kind = chance.randrange(len(content)), chance.randrange(8)
    if kind == 0:
        return b""
    if kind == 1:
        return content[:at]
    if kind == 2:
        return content[:at] + bytes(chance.randrange(1, 600)) + content[at + 600 :]
    return content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :]


def files_of_another_place_do_not_count(protocol, folder):
    protocol.write(folder)
    for wrong in ([part], [record], [part, record]):
        kept = {which: which(folder, 1).read_bytes() for which in wrong}
        for which in wrong:
            shutil.copy(which(folder, 3), which(folder, 1))
        assert protocol.read(folder) is None, wrong
        for which, content in kept.items():
            which(folder, 1).write_bytes(content)


def files_of_another_sweep_do_not_count(protocol, folder):
    protocol.write(folder)
    tile = list(gdexp.load(folder).plan.tiles())[1]
    assert protocol.commits.read(folder, tile, "of another") is None


def a_name_that_counts_is_a_whole_file(protocol, folder):
    """At every operation of a commit: as a process sees it that is killed, and any reader."""
    seen = []

    def look(*_):
        seen.append((part(folder, 1).exists(), record(folder, 1).exists()))
        if seen[-1][0]:
            pq.read_table(part(folder, 1))
        if seen[-1][1]:
            assert protocol.read(folder) is not None, "a record without its file"

    with watched(folder, look):
        protocol.write(folder)
    assert (False, False) in seen and (True, False) in seen


def what_is_renamed_is_on_the_disk(protocol, folder):
    done = []
    with watched(folder, lambda name, *_: done.append(name)):
        protocol.write(folder)
    order = [name for name in done if name in ("fsync", "replace", "link")]
    assert order == ["fsync", "link"] * 2


def two_writers_share_no_name(protocol, folder):
    names = set()
    for _ in range(2):
        with watched(folder, lambda name, path, *_: names.add(path) if name == "link" else 0):
            protocol.write(emptied(folder))
    assert len(names) == 4


def what_is_damaged_is_set_aside_and_not_lost(protocol, folder):
    protocol.write(folder)
    spoilt = part(folder, 1).read_bytes()[:-1]
    part(folder, 1).write_bytes(spoilt)
    assert protocol.finished(folder) == [0, 2, 3]
    assert not part(folder, 1).exists() and not record(folder, 1).exists()
    kept = {file.read_bytes() for file in (folder / "damaged").iterdir()}
    assert spoilt in kept and len(kept) == 2
    shutil.rmtree(folder / "damaged")


def other_bits_of_another_machine_are_an_error(protocol, folder):
    protocol.write(folder)
    found, tile, table, told = _made(folder, 1)
    with pytest.raises(Exception, match=r"runs 400 to 799 of .* and of ") as caught:
        protocol.commits.write(found, tile, changed(table), told.tally)
    assert type(caught.value).__name__ == verify.NotTheSameError.__name__


def changed(table):
    """Other bits of the same runs."""
    at = table.schema.get_field_index("f")
    return table.set_column(at, table.schema.field(at), [table["f"].to_numpy() + 1])


def one_copy_stays(protocol, folder):
    """However many processes have made it: the file and the record of the first."""
    protocol.write(folder)
    before = [
        (path(folder, 1).stat().st_ino, path(folder, 1).read_bytes()) for path in (part, record)
    ]
    assert protocol.write(folder) == protocol.read(folder)
    assert before == [
        (path(folder, 1).stat().st_ino, path(folder, 1).read_bytes()) for path in (part, record)
    ]


def a_file_without_a_record_is_taken_if_it_is_the_same(protocol, folder):
    protocol.write(folder)
    file = part(folder, 1).stat().st_ino
    record(folder, 1).unlink()
    protocol.write(folder)
    assert part(folder, 1).stat().st_ino == file and protocol.read(folder) is not None


def a_file_without_a_record_is_set_aside_if_it_is_another(protocol, folder):
    protocol.commits.RECORD_SECONDS = 0.1
    for content in (part(folder, 0).read_bytes(), b"", b"PAR1 of half a file"):
        part(emptied(folder), 1).write_bytes(content)
        told = protocol.write(folder)
        assert protocol.read(folder) == told
        assert content in {file.read_bytes() for file in (folder / "damaged").iterdir()}
    shutil.rmtree(folder / "damaged")


def other_bits_in_flight_are_an_error(protocol, folder):
    """A file of another process whose record comes a moment later."""
    found, tile, table, told = _made(folder, 1)
    protocol.write(folder)
    late = record(folder, 1).rename(folder / "late")
    timer = threading.Timer(0.3, late.rename, (record(folder, 1),))
    timer.start()
    try:
        with pytest.raises(Exception, match=r"runs 400 to 799 of .* and of "):
            protocol.commits.write(found, tile, changed(table), told.tally)
    finally:
        timer.join()
    assert protocol.read(folder) is not None and not (folder / "damaged").exists()


PROMISES = [
    a_tile_that_was_stored_counts,
    harm_is_noticed,
    files_of_another_place_do_not_count,
    files_of_another_sweep_do_not_count,
    a_name_that_counts_is_a_whole_file,
    what_is_renamed_is_on_the_disk,
    two_writers_share_no_name,
    what_is_damaged_is_set_aside_and_not_lost,
    other_bits_of_another_machine_are_an_error,
    one_copy_stays,
    a_file_without_a_record_is_taken_if_it_is_the_same,
    a_file_without_a_record_is_set_aside_if_it_is_another,
    other_bits_in_flight_are_an_error,
]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_it_keeps_its_promises(promise, folder, monkeypatch):
    promise(Protocol(monkeypatch), folder)


@pytest.mark.parametrize("times", [200, pytest.param(20_000, marks=pytest.mark.slow)])
def test_no_harmed_file_is_accepted(times, folder, monkeypatch):
    harm_is_noticed(Protocol(monkeypatch), folder, times)


HASHED = 'hashlib.file_digest(file, "sha256").hexdigest()'
PLACE = '(*(record[name] for name in ("part", "first", "count")), told["identity"])'
WHOLE = 'whole = store.file_hash(directory, store.RUNS, tile.part) == told["file_sha256"]'
ADDED = "    try:\n        results.add_runs(tile.part, table)\n"
LAST = "    return mine\n\n\ndef _holds"
FORCED = '        with open(temporary, "rb+") as file:\n            os.fsync(file.fileno())\n'
MUTANTS = {
    "no hash of the file": {"commits": [(WHOLE, "whole = True")]},
    "hash of the first bytes": {"store": [(HASHED, "hashlib.sha256(file.read(999)).hexdigest()")]},
    "hash of the name": {"store": [(HASHED, "hashlib.sha256(file.name.encode()).hexdigest()")]},
    "hash of the table for that of the file": {
        "commits": [
            (
                '"file_sha256": store.file_hash(directory, store.RUNS, tile.part)',
                '"file_sha256": mine.record["sha256"]',
            )
        ]
    },
    "no hash of the record": {"commits": [('kept["sha256"] != _hash(told)', "False")]},
    "any place": {"commits": [(PLACE, '(*mine[:3], told["identity"])')]},
    "any sweep": {
        "commits": [(PLACE, PLACE.replace('told["identity"]', "identity"))],
    },
    "no rename": {
        "files": [
            ('path.with_name(f".{path.name}.{uuid.uuid4().hex}")', "path"),
            ("            _link(temporary, path)\n", "            pass\n"),
            ("        temporary.unlink(missing_ok=True)\n", "        pass\n"),
        ]
    },
    "not forced to the disk": {"files": [("os.fsync(file.fileno())", "pass")]},
    "forced after the rename": {
        "files": [
            (FORCED, ""),
            ("    finally:\n", FORCED + "    finally:\n"),
        ]
    },
    "one temporary name": {"files": [("{uuid.uuid4().hex}", "new")]},
    "the record before the file": {
        "commits": [
            (ADDED, "    try:\n        pass\n"),
            (LAST, "    results.add_runs(tile.part, table)\n" + LAST),
            ("store.file_hash(directory, store.RUNS, tile.part),", '"0",'),
        ]
    },
    "damage is left where it is": {
        "commits": [("        else:\n            set_aside(directory, tile.part)\n", "")]
    },
    "damage is thrown away": {
        "commits": [
            (
                re.search(r"os\.replace\(source, .*\)", Path(commits.__file__).read_text())[0],
                "source.unlink()",
            )
        ]
    },
    "whoever comes last is right": {
        "commits": [
            (
                "if other.environment == mine.environment and other.record != mine.record:",
                "if False:",
            )
        ]
    },
    "a file takes the place of another": {
        "files": [
            ("            _link(temporary, path)\n", "            os.replace(temporary, path)\n")
        ]
    },
    "any file of that name is taken for its own": {
        "commits": [('if not _holds(directory, tile.part, mine.record["sha256"]):', "if False:")]
    },
    "a file without its record is an error": {
        "commits": [
            (
                "            set_aside(directory, tile.part)\n            return None\n",
                "            raise\n",
            )
        ]
    },
    "a record is not waited for": {
        "commits": [("if other := _awaited(directory, tile, identity):", "if other := None:")]
    },
}


@pytest.mark.parametrize("mutant", sifted(MUTANTS, 12))
def test_a_mutant_is_noticed(mutant, folder, monkeypatch):
    protocol = Protocol(monkeypatch, **MUTANTS[mutant])
    noticed = []
    for promise in PROMISES:
        spoilt = shutil.copytree(folder, folder.with_name(promise.__name__))
        try:
            promise(protocol, spoilt)
        except (Exception, pytest.fail.Exception):
            noticed.append(promise.__name__)
    assert noticed, "no test would notice"
    assert len(noticed) < len(PROMISES), "it fails everywhere: it does not run"


# -- when an operation fails -------------------------------------------------------------------

OPERATIONS = [
    (os, "mkdir"),
    (os, "replace"),
    (os, "link"),
    (os, "fsync"),
    (os, "unlink"),
    (builtins, "open"),
]
OPERATIONS += [(io, "open"), (pathlib.Path, "write_bytes"), (pq, "write_table")]
OPERATIONS += [(pq.ParquetWriter, "write_table")]
ERRORS = [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS]


@contextlib.contextmanager
def watched(folder, look):
    """Calls `look(name, path)` before each operation on a file of a folder; it may raise."""

    def watching(name, function):
        def operation(*arguments, **options):
            paths = [a for a in arguments[:2] if isinstance(a, str | os.PathLike)]
            fd = arguments[0] if name == "fsync" else None
            path = str(paths[0]) if paths else ""
            reading = name == "open" and not set("wax+") & set(_mode(arguments, options))
            writer = name == "write_table" and not paths
            if (path.startswith(str(folder)) and not reading) or fd is not None or writer:
                look(name, path, *arguments)
            return function(*arguments, **options)

        return operation

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in OPERATIONS:
            patch.setattr(owner, name, watching(name, getattr(owner, name)))
        yield


def _mode(arguments, options):
    return options.get("mode", arguments[1] if len(arguments) > 1 else "r")


class Failing:
    """The operation with a number fails, and those that write leave the half of it behind."""

    def __init__(self, number, error):
        self.number, self.error, self.count = number, error, 0

    def __call__(self, name, path, *arguments):
        self.count += 1
        if self.count - 1 != self.number:
            return
        if name in ("write_bytes", "write_table") and path:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT), "wb") as file:
                file.write(b"PAR1 and then no more")
        raise OSError(self.error, os.strerror(self.error), path)


@pytest.mark.parametrize("error", ERRORS, ids=errno.errorcode.get)
def test_whichever_operation_of_a_commit_fails_a_tile_is_whole_or_does_not_count(
    error, folder, monkeypatch
):
    protocol = Protocol(monkeypatch)
    told = protocol.write(folder)
    number, failed = 0, 0
    while True:
        failing = Failing(number, error)
        emptied(folder)
        try:
            with watched(folder, failing):
                protocol.write(folder)
        except OSError as raised:
            assert raised.errno == error
            failed += 1
        assert protocol.read(folder) in (None, told)
        if number >= failing.count:
            break
        number += 1
        protocol.write(folder)
        assert protocol.read(folder) == told
        assert not [path for path in folder.rglob(".part*.*.*") if path.stat().st_size == 0]
    assert failed >= 6


def interrupted_at(number, error, folder, capsys):
    """Resumes with one failing operation; whether there was one of that number."""
    failing = Failing(number, error)
    try:
        with watched(folder, failing):
            code = __main__.main(["resume", str(folder)])
    except SystemExit as ended:
        code = ended.code
    told = capsys.readouterr().err
    if failing.count <= number:
        assert code == 0
        return False
    if code:  # what failed may be what nobody needs
        assert code == 1
        assert told.startswith("gdexp: ") and told.count("\n") == 1, told
        assert os.strerror(error) in told and "python -m gdexp resume " in told
    return True


def begun(whole, folder):
    """A copy as a process leaves it that is killed before its last tiles."""
    shutil.copytree(whole, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest |= {"complete": False, "tiles": [], "programs": [], "timings": {}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for name in ("summary.json", "labels.parquet", "minima.parquet", "curves.parquet"):
        (folder / name).unlink(missing_ok=True)
    return emptied(folder)


def assert_same(folder, whole, *tables):
    found, wanted = gdexp.load(folder), gdexp.load(whole)
    assert found.manifest["tiles"] == wanted.manifest["tiles"] and found.manifest["complete"]
    for table in tables or ("runs", "labels", "minima", "curves"):
        assert getattr(found, table).equals(getattr(wanted, table)), table


@pytest.mark.slow
@pytest.mark.parametrize("every", [97, 1])
def test_whichever_operation_of_a_sweep_fails_it_stops_cleanly_and_resumes(
    every, tmp_path, capsys, monkeypatch
):
    """Of every kind of error, each operation, or some; what failed last is resumed."""
    monkeypatch.setattr(plan, "TILE_RUNS", 32)
    asked = api.experiment(
        "paraboloid",
        grid={"learning_rate": [0.1, 0.5]},
        start={"uniform": 40},
        stop_max_steps=100,
        report=False,
    )
    whole = job.run(asked, tmp_path / "whole").directory
    for error in ERRORS:
        number, going = ERRORS.index(error) if every > 1 else 0, True
        while going:
            folder = begun(whole, tmp_path / f"{error}-{number}")
            going = interrupted_at(number, error, folder, capsys)
            assert __main__.main(["resume", str(folder)]) == 0
            assert_same(folder, whole, "runs", "labels", "minima")
            shutil.rmtree(folder)
            number += every


# -- two processes -----------------------------------------------------------------------------

HELPER = """
import pathlib, sys, time
import gdexp
from gdexp import job
root, mine, other, rounds = pathlib.Path(sys.argv[1]), *sys.argv[2:4], int(sys.argv[4])
for number in range(rounds):
    (root / f"{mine}{number}").touch()
    while not (root / f"{other}{number}").exists():
        time.sleep(0.001)
    job.resume(gdexp.load(root / f"sweep{number}"))
"""


@pytest.mark.slow
def test_two_processes_on_one_folder_make_what_one_makes(whole, tmp_path, rounds=100):
    for number in range(rounds):
        folder = begun(whole, tmp_path / f"sweep{number}")
        for tile in range(number % 2, 4):
            part(folder, tile).unlink(missing_ok=True)
            record(folder, tile).unlink(missing_ok=True)
    words = [sys.executable, "-c", HELPER, str(tmp_path)]
    own = os.environ | {"PYTHONPATH": str(ROOT)}
    both = [
        subprocess.Popen([*words, *names, str(rounds)], env=own, stderr=subprocess.PIPE, text=True)
        for names in (("a", "b"), ("b", "a"))
    ]
    told = [process.communicate(timeout=60 + 20 * rounds)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    for number in range(rounds):
        assert_same(tmp_path / f"sweep{number}", whole)
        assert not (tmp_path / f"sweep{number}" / "damaged").exists()
