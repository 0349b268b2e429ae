"""Whether a sweep comes out the same again, bit by bit, and why not if it does not."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from gdexp import columns, environment, paths, store
from gdexp.base import UsageError
from gdexp.engine import Engine, settings
from gdexp.plan import Tile
from gdexp.program import Program
from gdexp.results import Results
from gdexp.stream import Harvest

CANARIES = 1024  # runs of a group that are run again before a sweep is resumed
CANARY_STEPS = 100  # that each of them takes, where none is finished yet


class Verdict(NamedTuple):
    """What came of running tiles again."""

    runs: int  # that were run again
    tiles: tuple[int, ...]  # their parts
    all_tiles: int  # how many are stored, with the bits of one environment
    elsewhere: int  # how many have those of another
    differing: tuple[int, ...]  # parts whose bits are others now
    damaged: tuple[int, ...]  # parts whose files do not hold what the manifest says
    reasons: tuple[str, ...]  # what is different from when it was made
    largest: float  # |a − b| / (1 + max(|a|, |b|)) of numbers that were stored and are made now
    agreeing: float  # share of runs whose outcome is the same, where parts differ

    @property
    def same(self) -> bool:
        """Whether every bit is the same, of what is stored and of what is made now."""
        return not self.differing and not self.damaged


class NotTheSameError(Exception):
    """Runs would have other bits here than where a sweep began.

    Attributes:
      reasons: why.
    """

    def __init__(self, reasons: Sequence[str]):
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)


def engine_of(results: Results) -> Engine:
    """An engine with the lanes that a sweep began with."""
    lanes = {i: group["lanes"] for i, group in enumerate(results.manifest["groups"])}
    return Engine(results.experiment, results.plan, lanes)


def trusted_engine(results: Results) -> Engine:
    """The same, for who adds to the sweep: each program is compared before it runs.

    Raises:
      NotTheSameError: its runs would have other bits here.
    """
    then, engine = results.manifest, engine_of(results)
    if reasons := list(differences(then, engine)):
        raise NotTheSameError(reasons)
    engine.vouch = functools.partial(vouch, then, engine)
    return engine


def canaries(results: Results, engine: Engine, makers: Mapping[int, str]) -> None:
    """Runs some of each group's finished runs again, of every maker, before more are added to them.

    Args:
      results: of the sweep, in its folder.
      engine: that will run the others.
      makers: part -> who made it.

    Raises:
      NotTheSameError: a bit of them is another.
    """
    firsts: dict[int, dict[str, Tile]] = {}
    for tile in engine.plan.tiles():
        if tile.part in makers:
            firsts.setdefault(tile.group, {}).setdefault(makers[tile.part], tile)
    for first in firsts.values():
        few = max(1, CANARIES // len(first))
        some = [tile._replace(count=min(tile.count, few)) for tile in first.values()]
        for harvest in engine.run(some):
            if harvest.ends is not None:
                _compare(results, engine, harvest, makers[harvest.tile.part])


def _compare(results: Results, engine: Engine, harvest: Harvest, maker: str) -> None:
    tile = harvest.tile
    made = columns.run_table(engine.experiment, engine.plan, tile, harvest.ends)
    stored = store.read_part(results.directory, store.RUNS, tile.part).slice(0, tile.count)
    if columns.digest(made) != columns.digest(stored):
        last = tile.first + tile.count - 1
        raise NotTheSameError([f"runs {tile.first} to {last} have other bits here than of {maker}"])


def canary(engine: Engine, program: Program) -> dict[str, Any]:
    """A hash of where the first runs of a group are after some steps, for a manifest.

    It tells whether another machine comes to the same bits, before any run is finished.
    """
    group = program.group
    count = min(group.count, program.lanes, CANARIES)
    runs, sign = np.arange(group.first, group.first + count), engine.experiment.sign
    with settings(engine.experiment):
        states = paths.states_of(program, engine.device, sign, runs, [CANARY_STEPS])
    found = hashlib.sha256()
    for column in states:
        found.update(np.ascontiguousarray(column))
    return {"runs": count, "steps": CANARY_STEPS, "sha256": found.hexdigest()}


def vouch(then: Mapping[str, Any], engine: Engine, program: Program) -> None:
    """Lets a group's program run if it is the one that a manifest has, and comes to the same bits.

    Raises:
      NotTheSameError: it is not, or does not.
    """
    for record in then["programs"]:
        if record["group"] != program.group.index:
            continue
        if reasons := list(_other_program(record, program)):
            raise NotTheSameError(reasons)
        if "canary" in record and record["canary"] != canary(engine, program):
            count = record["canary"]["runs"]
            raise NotTheSameError(
                [f"{_pair(program)}: its first {count} runs have other bits here"]
            )


def reproduce(
    results: Results,
    runs: int | None = None,
    lanes: int | None = None,
    number: str | None = None,
) -> Verdict:
    """Runs a sweep again, with the lanes that it had, and compares it tile by tile.

    Args:
      results: of the sweep, in its folder.
      runs: how many are enough: a random sample of tiles, always the same; None: all.
      lanes: another number of lanes than was recorded.
      number: of the environment whose tiles are run; None: those with the sweep's own bits.

    Raises:
      UsageError: nothing is stored to compare with.
    """
    then = results.manifest
    records = {r["part"]: r for r in then["tiles"] if r.get("environment") == number}
    if not records:
        others = ", ".join(sorted({r["environment"] for r in then["tiles"]}))
        why = f": all have the bits of other environments ({others})" if others else ""
        raise UsageError(f"{results.directory} holds no finished tile to compare with{why}")
    if number is not None:
        then = then | then["environments"][number]
    recorded = {p["group"]: p["lanes"] for p in then["programs"]}
    wanted = dict.fromkeys(range(len(results.plan.groups)), lanes) if lanes else recorded
    engine = Engine(results.experiment, results.plan, wanted)
    tiles = _sample([t for t in results.plan.tiles() if t.part in records], runs)
    differing, damaged, largest, agreeing = [], [], 0.0, []
    for harvest in engine.run(tiles):
        if harvest.ends is None:
            continue
        tile, record = harvest.tile, records[harvest.tile.part]
        made = columns.run_table(engine.experiment, engine.plan, tile, harvest.ends)
        stored = _stored(results, tile, record)
        if stored is None:
            damaged.append(tile.part)
        if columns.digest(made) != record["sha256"]:
            differing.append(tile.part)
            if stored is not None:
                largest = max(largest, _largest(made, stored))
                agreeing += _agreement(made, stored)
    return Verdict(
        runs=sum(tile.count for tile in tiles),
        tiles=tuple(tile.part for tile in tiles),
        all_tiles=len(records),
        elsewhere=len(then["tiles"]) - len(records),
        differing=tuple(sorted(differing)),
        damaged=tuple(sorted(damaged)),
        reasons=tuple(differences(then, engine)),
        largest=largest,
        agreeing=float(np.mean(agreeing)) if agreeing else float("nan"),
    )


def differences(then: Mapping[str, Any], engine: Engine) -> Iterator[str]:
    """What decides bits and is not as a manifest has it."""
    now = environment.describe(engine.device)
    for package in environment.DECISIVE:
        before, after = (who["versions"].get(package) for who in (then, now))
        if before != after:
            yield f"{package} {before} → {after}"
    added = environment.plugins(engine.experiment.objectives)
    for name, package in then.get("plugins", {}).items():
        if added.get(name) != package:
            yield f"objective {name}: {package} → {added.get(name)}"
    for name in ("device", "machine"):
        if then[name] != now[name]:
            yield f"{name} {_shown(then[name])} → {_shown(now[name])}"
    before, after = (environment.deciding(who["xla_flags"]) for who in (then, now))
    if before != after:
        yield f"XLA_FLAGS {_shown(before)} → {_shown(after)}"
    lost = sorted(set(then["cpu_features"]) - set(now["cpu_features"]))
    more = sorted(set(now["cpu_features"]) - set(then["cpu_features"]))
    for word, names in (("without", lost), ("with", more)):
        if names:
            yield f"this CPU is {word} {', '.join(names)}"
    for program in then["programs"]:
        if mine := engine.programs.get(program["group"]):
            yield from _other_program(program, mine)


def _other_program(record: Mapping[str, Any], mine: Program) -> Iterator[str]:
    """What of a group's program is not as a manifest has it."""
    if mine.lanes != record["lanes"]:
        yield f"{_pair(mine)}: {record['lanes']} lanes → {mine.lanes}"
    elif mine.digest != record["sha256"]:
        yield f"{_pair(mine)}: another program, as gdexp or what it uses has changed"


def _pair(program: Program) -> str:
    return f"{program.group.objective_name} × {program.group.optimizer.name}"


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(map(str, value.values()))
    return str(value) or "none"


def _sample(tiles: list[Tile], runs: int | None) -> list[Tile]:
    """Tiles at random that hold `runs` together, in their order."""
    if runs is None:
        return tiles
    taken, count = [], 0
    for i in np.random.default_rng(0).permutation(len(tiles)):
        if count >= runs:
            break
        taken.append(tiles[i])
        count += tiles[i].count
    return sorted(taken, key=lambda tile: tile.part)


def _stored(results: Results, tile: Tile, record: Mapping[str, Any]) -> pa.Table | None:
    """The rows of a tile as they are stored; None where they are not what was stored."""
    try:
        table = store.read_part(results.directory, store.RUNS, tile.part)
    except (OSError, pa.ArrowException):
        return None
    return table if columns.digest(table) == record["sha256"] else None


def _largest(one: pa.Table, other: pa.Table) -> float:
    """The largest difference of a number between two tables of the same runs, to 1 + its size."""
    found = 0.0
    for name in one.column_names:
        a, b = (_numbers(table[name].combine_chunks()) for table in (one, other))
        if a is None or a.shape != b.shape:
            continue
        fine = np.isfinite(a) & np.isfinite(b)
        away = np.abs(a - b)[fine] / (1 + np.maximum(np.abs(a), np.abs(b))[fine])
        found = max(found, float(away.max(initial=0)))
    return found


def _numbers(column: Any) -> np.ndarray | None:
    """A column of reals, or of lists of them, as one array; None for any other."""
    if pa.types.is_list(column.type):
        column = column.flatten()
    if not pa.types.is_floating(column.type):
        return None
    return np.asarray(column.fill_null(np.nan), np.float64)


def _agreement(one: pa.Table, other: pa.Table) -> list[bool]:
    """Which runs have the same outcome in both."""
    if "outcome" not in one.column_names:
        return []
    pairs = zip(one["outcome"].to_pylist(), other["outcome"].to_pylist(), strict=True)
    return [a == b for a, b in pairs]
