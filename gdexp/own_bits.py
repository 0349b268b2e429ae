"""Tiles with bits of their own, for who asks for them where a sweep would come to others.

A GPU's tiles in a sweep that a CPU began, say. Each such tile names an environment, and the
manifest says of each what it is: it is made again, bit by bit, where that environment is.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
from collections.abc import Iterable
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from gdexp import commits, environment, files, manifest, store, verify
from gdexp.engine import Engine
from gdexp.plan import Tile
from gdexp.results import Results


class Environment(NamedTuple):
    """What decides bits, where they are not those that a sweep began with."""

    number: str  # of what decides, and of nothing else
    told: dict[str, Any]  # versions, device, ..., and the programs with what some runs come to


def engine(results: Results) -> tuple[Engine, Environment | None]:
    """An engine to add to a sweep with; None: it comes to the bits that the sweep began with.

    That takes something to compare with: what was prepared, or a finished tile, of every group.
    """
    try:
        same = verify.trusted_engine(results)
        for group in same.plan.groups:
            same.program(group.index)
        if _tried(results, same):
            return same, None
    except verify.NotTheSameError:
        pass
    found = Engine(results.experiment, results.plan)
    return found, of(found)


def _tried(results: Results, engine: Engine) -> bool:
    """Whether each group has something to compare with: if that is a tile, some of it is run."""
    prepared = {p["group"] for p in results.manifest["programs"] if "canary" in p}
    tiles = (tile for tile in engine.plan.tiles() if tile.group not in prepared)
    for _, some in itertools.groupby(tiles, lambda tile: tile.group):
        if not try_one(results, engine, some, None):
            return False
    return True


def try_one(results: Results, engine: Engine, tiles: Iterable[Tile], number: str | None) -> bool:
    """Makes some runs of a finished tile of an environment again: of others it tells the same.

    Returns:
      Whether there is one among `tiles`.

    Raises:
      NotTheSameError: they come to other bits here.
    """
    for tile, commit in commits.finished(results.directory, tiles, results.manifest["identity"]):
        if commit.environment == number:
            verify.canaries(results, engine, {tile.part: commit.by})
            return True
    return False


def of(engine: Engine) -> Environment:
    """What decides the bits of an engine; every group's program is compiled."""
    told = environment.describe(engine.device)
    manifest.prepare(told, engine)
    versions = {name: told["versions"].get(name) for name in environment.DECISIVE}
    decides = [
        versions,
        *(told[name] for name in ("device", "machine", "cpu_features")),
        environment.deciding(told["xla_flags"]),
        [[p["group"], p["lanes"], p["sha256"], p["canary"]] for p in told["programs"]],
    ]
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
    return Environment(digest[:12], told)


def here(results: Results) -> str | None:
    """The environment that this process is, of those whose bits some tiles have; None: of none."""
    named = results.manifest.get("environments", {})
    if not named:
        return None
    number = of(Engine(results.experiment, results.plan)).number
    return number if number in named else None


def keep(directory: FilePath, environment: Environment) -> None:
    """Writes down what decides, unless it is there; before the first tile that names it."""
    with contextlib.suppress(FileExistsError):
        content = json.dumps(environment.told).encode()
        files.write(_path(directory, environment.number), content, first=True)


def gather(results: Results) -> None:
    """Has the manifest say what the environments are that its tiles name."""
    named = {tile["environment"] for tile in results.manifest["tiles"] if "environment" in tile}
    found = {}
    for number in sorted(named):
        with contextlib.suppress(OSError, ValueError):  # somebody took it away: the tiles stay
            found[number] = json.loads(_path(results.directory, number).read_text())
    if found:
        results.manifest["environments"] = found


def of_run(results: Results, run: int) -> str | None:
    """The environment whose bits a run has; None: the sweep's own."""
    for tile in results.manifest["tiles"]:
        if 0 <= run - tile["first"] < tile["count"]:
            return tile.get("environment")
    return None


def _path(directory: FilePath, number: str) -> FilePath:
    return directory / store.RECORDS / f"environment-{number}.json"
