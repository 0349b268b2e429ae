"""Who works on which tile just now: a hint that keeps processes from doing the same work twice.

It is no lock. A tile that somebody claims is left to the last, and made all the same if it is still
missing then: whoever claimed it may have been killed, and two copies of a tile are one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from gdexp import environment, files, store
from gdexp.plan import Tile


def opened(directory: Path | None, tiles: Iterable[Tile], *, every: bool) -> Iterator[Tile]:
    """Of `tiles` those that nobody has stored when their turn comes, claimed.

    Args:
      directory: of the sweep; None: in memory, where there is nobody else.
      tiles: what is missing.
      every: whether those that another process has claimed are taken, too.
    """
    if directory is None:
        yield from tiles
        return
    for tile in tiles:
        if not store.has_record(directory, tile.part) and (_take(directory, tile.part) or every):
            yield tile


def leave(directory: Path | None, part: int) -> None:
    """Gives up the claim on a tile: it is stored, or will not be made here."""
    if directory is not None:
        _path(directory, part).unlink(missing_ok=True)


def clear(directory: Path | None) -> None:
    """Removes the claims of processes that were killed, once every tile is stored."""
    if directory is not None:
        for path in (directory / store.RECORDS).glob("*.claim"):
            path.unlink(missing_ok=True)


def _take(directory: Path, part: int) -> bool:
    """Whether nobody else claims a tile."""
    try:
        files.write(_path(directory, part), environment.place().encode(), first=True)
    except FileExistsError:
        return False
    return True


def _path(directory: Path, part: int) -> Path:
    return store.record_path(directory, part).with_suffix(".claim")
