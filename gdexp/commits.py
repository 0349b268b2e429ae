"""The commit protocol: which tiles of a sweep are finished.

For each part file there is a record: the tile, the hashes of the file and of its contents, the
identity of the sweep and what was counted of its runs. File and record, in this order, are each
there whole or not at all, and neither ever replaces another; and a tile counts only if its record
is there and the file has the hash. So nothing has to be written down elsewhere, any number of
processes may work on one folder, and what is damaged is set aside and made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any, NamedTuple

import pyarrow as pa

from gdexp import columns, environment, plan, store
from gdexp.plan import Tile
from gdexp.results import Results
from gdexp.verify import NotTheSameError

STALE_SECONDS = 3600.0  # after which a file that was never renamed is nobody's
NUMBER = re.compile(r"[0-9a-f]{12}")  # of an environment
RECORD_SECONDS = 2.0  # between a file and its record, at most, if its process goes on


class Commit(NamedTuple):
    """A finished tile."""

    record: dict[str, Any]  # part, first, count, sha256, maybe environment: as the manifest has it
    tally: dict[str, Any]  # what was counted of its runs
    by: str  # the process that made it

    @property
    def environment(self) -> str | None:
        """Whose bits it has; None: those that the sweep began with."""
        return self.record.get("environment")


class Maker(NamedTuple):
    """Who makes a tile."""

    by: str  # the process
    environment: str | None = None  # whose bits it has; None: those that the sweep began with


def write(
    results: Results,
    tile: Tile,
    table: pa.Table,
    told: Mapping[str, Any],
    maker: Maker | None = None,
) -> Commit:
    """Stores a finished tile, unless it is stored; it is on the disk when this returns.

    However many processes make a tile, one copy of it counts: the first whose record is there.

    Args:
      results: of the sweep.
      tile: which it is.
      table: its rows.
      told: what was counted of its runs.
      maker: who made it; None: this process.

    Returns:
      What counts: this copy, or another with the same bits, or of another environment.

    Raises:
      NotTheSameError: another process has stored it with other bits.
    """
    maker = maker or Maker(environment.place())
    elsewhere = {} if maker.environment is None else {"environment": maker.environment}
    mine = Commit(
        record={
            "part": tile.part,
            "first": tile.first,
            "count": tile.count,
            "sha256": columns.digest(table),
            **elsewhere,
        },
        tally=dict(told),
        by=maker.by,
    )
    if results.directory is None:
        results.add_runs(tile.part, table)
        return mine
    other = read(results.directory, tile, results.manifest["identity"])
    while other is None:
        other = _store(results, tile, table, mine)
    if other.environment == mine.environment and other.record != mine.record:
        raise NotTheSameError(
            [f"runs {tile.first} to {tile.first + tile.count - 1} of {other.by} and of {mine.by}"]
        )
    return other


def _store(results: Results, tile: Tile, table: pa.Table, mine: Commit) -> Commit | None:
    """Stores a tile; what counts then, or None where something had to be set aside before."""
    directory, identity = results.directory, results.manifest["identity"]
    began = time.monotonic()
    try:
        results.add_runs(tile.part, table)
    except FileExistsError:  # of a process that is about to record it, or was killed before
        if not _holds(directory, tile.part, mine.record["sha256"]):
            if other := _awaited(directory, tile, identity):
                return other
            set_aside(directory, tile.part)
            return None
    kept = {
        **mine.record,
        **{"identity": identity, "by": mine.by, "tally": mine.tally},
        "file_sha256": store.file_hash(directory, store.RUNS, tile.part),
    }
    late = time.monotonic() - began > RECORD_SECONDS  # others may have set the file aside
    if late and not _holds(directory, tile.part, mine.record["sha256"]):
        return None
    try:  # now it counts
        store.write_record(directory, tile.part, {"tile": kept, "sha256": _hash(kept)})
    except FileExistsError:
        if other := read(directory, tile, identity):
            return other
        set_aside(directory, tile.part)
        return None
    return mine


def _holds(directory: FilePath, part: int, sha256: str) -> bool:
    """Whether a part's file is whole and has these contents."""
    try:
        return columns.digest(store.read_part(directory, store.RUNS, part)) == sha256
    except OSError:
        return False


def _awaited(directory: FilePath, tile: Tile, identity: str) -> Commit | None:
    """What counts of a tile, if its record comes within the time that it takes to write one."""
    until = time.monotonic() + RECORD_SECONDS
    while time.monotonic() < until and store.part_path(directory, store.RUNS, tile.part).exists():
        if other := read(directory, tile, identity):
            return other
        time.sleep(0.05)
    return None


def read(directory: FilePath, tile: Tile, identity: str) -> Commit | None:
    """A finished tile, if its file is there, whole, of this sweep and of this place in it."""
    try:
        kept = store.read_record(directory, tile.part)
        told = kept["tile"]
        if kept["sha256"] != _hash(told):
            return None
        record = {name: told[name] for name in ("part", "first", "count", "sha256")}
        if "environment" in told:
            record["environment"] = told["environment"]
            if not NUMBER.fullmatch(told["environment"]):
                return None
        mine = (tile.part, tile.first, tile.count, identity)
        if (*(record[name] for name in ("part", "first", "count")), told["identity"]) != mine:
            return None
        whole = store.file_hash(directory, store.RUNS, tile.part) == told["file_sha256"]
        return Commit(record, told["tally"], told["by"]) if whole else None
    except (OSError, KeyError, ValueError, TypeError):
        return None


def _hash(told: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def finished(
    directory: FilePath, tiles: Iterator[Tile], identity: str
) -> Iterator[tuple[Tile, Commit]]:
    """The tiles whose files are as they should be; files that are not are set aside."""
    for tile in tiles:
        if not store.has_record(directory, tile.part):
            continue
        if commit := read(directory, tile, identity):
            yield tile, commit
        else:
            set_aside(directory, tile.part)


def all_whole(directory: FilePath, manifest: Mapping[str, Any]) -> bool:
    """Whether every tile of a sweep is there as it was stored."""
    spans = enumerate(plan.tile_spans(manifest["groups"]))
    tiles = (Tile(part, -1, first, count) for part, (first, count) in spans)
    return all(read(directory, tile, manifest["identity"]) for tile in tiles)


def set_aside(directory: FilePath, part: int) -> None:
    """Moves a part file and its record away, under names of their own."""
    (directory / store.DAMAGED).mkdir(exist_ok=True)
    unique = uuid.uuid4().hex[:8]
    files = (store.part_path(directory, store.RUNS, part), store.record_path(directory, part))
    for source in reversed(files):  # without its record it counts no more
        with contextlib.suppress(FileNotFoundError):
            os.replace(source, directory / store.DAMAGED / f"{source.name}.{unique}")


def sweep_up(directory: FilePath) -> None:
    """Removes what a process that was killed left unfinished, if it is too old to be another's."""
    for path in directory.glob("**/.*.*"):
        unfinished = len(path.suffix) == 33 and path.is_file()  # a name of `store`: a uuid's
        if unfinished and time.time() - path.stat().st_mtime > STALE_SECONDS:
            path.unlink(missing_ok=True)
