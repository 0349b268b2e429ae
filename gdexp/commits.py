"""The commit protocol: which tiles of a sweep are finished.

For each part file there is a record: the tile, the hashes of the file and of its contents, the
identity of the sweep and what was counted of its runs. File and record, in this order, are written
under another name, forced to the disk and renamed, so that each is there whole or not at all; and a
tile counts only if its record is there and the file has the hash. So nothing has to be written down
elsewhere, two processes may work on one folder, and what is damaged is set aside and made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
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


class Commit(NamedTuple):
    """A finished tile."""

    record: dict[str, Any]  # part, first, count, sha256: what the manifest has
    tally: dict[str, Any]  # what was counted of its runs
    by: str  # the machine that made it


def write(results: Results, tile: Tile, table: pa.Table, tally: dict[str, Any]) -> Commit:
    """Stores a finished tile; it is on the disk when this returns.

    Raises:
      NotTheSameError: another process has stored it meanwhile, with other bits.
    """
    record = {
        "part": tile.part,
        "first": tile.first,
        "count": tile.count,
        "sha256": columns.digest(table),
    }
    identity, here = results.manifest["identity"], environment.place()
    told = record | {"identity": identity, "by": here, "tally": tally}
    other = read(results.directory, tile, identity) if results.directory else None
    if other and other.record != record:
        raise NotTheSameError(
            [f"runs {tile.first} to {tile.first + tile.count - 1} of {other.by} and of {here}"]
        )
    results.add_runs(tile.part, table)
    if results.directory:  # now it counts
        told["file_sha256"] = store.file_hash(results.directory, store.RUNS, tile.part)
        store.write_record(results.directory, tile.part, {"tile": told, "sha256": _hash(told)})
    return Commit(record, tally, here)


def read(directory: FilePath, tile: Tile, identity: str) -> Commit | None:
    """A finished tile, if its file is there, whole, of this sweep and of this place in it."""
    try:
        kept = store.read_record(directory, tile.part)
        told = kept["tile"]
        if kept["sha256"] != _hash(told):
            return None
        record = {name: told[name] for name in ("part", "first", "count", "sha256")}
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
