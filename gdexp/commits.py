"""The commit protocol: which tiles of a sweep are finished.

A part file says itself what it holds: its tile, the hash of its contents, the identity of the
sweep and what was counted of its runs. It is written under another name, forced to the disk and
renamed, so that it is there whole or not at all; and it counts only if its contents have their
hash. So nothing has to be written down elsewhere, two processes may work on one folder, and what is
damaged is set aside and computed again.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any, NamedTuple

import pyarrow as pa

from gdexp import columns, store
from gdexp.plan import Tile
from gdexp.results import Results

KEY, CHECK = b"gdexp", b"gdexp.sha256"  # of the part file's own metadata: a record, its hash
DAMAGED = "damaged"  # the folder of what was set aside
STALE_SECONDS = 3600.0  # after which a file that was never renamed is nobody's


class Commit(NamedTuple):
    """A finished tile."""

    record: dict[str, Any]  # part, first, count, sha256: what the manifest has
    tally: dict[str, Any]  # what was counted of its runs


def write(results: Results, tile: Tile, table: pa.Table, tally: dict[str, Any]) -> Commit:
    """Stores a finished tile; it is on the disk when this returns."""
    record = {
        "part": tile.part,
        "first": tile.first,
        "count": tile.count,
        "sha256": columns.digest(table),
    }
    told = record | {"identity": results.manifest["identity"], "tally": tally}
    text = json.dumps(told).encode()
    results.add_runs(tile.part, table.replace_schema_metadata({KEY: text, CHECK: _hash(text)}))
    return Commit(record, tally)


def read(directory: FilePath, tile: Tile, identity: str) -> Commit | None:
    """A finished tile, if its file is there, whole, of this sweep and of this place in it."""
    try:
        table = store.read_part(directory, store.RUNS, tile.part)
        kept = table.schema.metadata or {}
        if kept[CHECK] != _hash(kept[KEY]):
            return None
        told = json.loads(kept[KEY])
        record = {name: told[name] for name in ("part", "first", "count", "sha256")}
        mine = (tile.part, tile.first, tile.count, identity)
        if (*(record[name] for name in ("part", "first", "count")), told["identity"]) != mine:
            return None
        whole = table.num_rows == tile.count and columns.digest(table) == record["sha256"]
        return Commit(record, told["tally"]) if whole else None
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError):
        return None


def _hash(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode()


def finished(
    directory: FilePath, tiles: Iterator[Tile], identity: str
) -> Iterator[tuple[Tile, Commit]]:
    """The tiles whose files are as they should be; files that are not are set aside."""
    for tile in tiles:
        if not store.has_part(directory, store.RUNS, tile.part):
            continue
        if commit := read(directory, tile, identity):
            yield tile, commit
        else:
            set_aside(directory, tile.part)


def set_aside(directory: FilePath, part: int) -> FilePath:
    """Moves a part file away, under a name of its own."""
    source = store.part_path(directory, store.RUNS, part)
    target = directory / DAMAGED / f"{source.name}.{uuid.uuid4().hex[:8]}"
    target.parent.mkdir(exist_ok=True)
    os.replace(source, target)
    return target


def sweep_up(directory: FilePath) -> None:
    """Removes what a process that was killed left unfinished, if it is too old to be another's."""
    for path in directory.glob("**/.*.*"):
        unfinished = len(path.suffix) == 33 and path.is_file()  # a name of `store`: a uuid's
        if unfinished and time.time() - path.stat().st_mtime > STALE_SECONDS:
            path.unlink(missing_ok=True)
