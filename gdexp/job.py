"""The main job: plan, descend, store, tell. It knows the rooms and does no work of its own."""

from __future__ import annotations

import base64
import bisect
import contextlib
import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pyarrow as pa

from gdexp import columns, environment, function, labels, metrics, plan, store
from gdexp.analysis.tally import Tally, outcome_counts
from gdexp.base import Path
from gdexp.engine import Engine
from gdexp.experiment import Experiment
from gdexp.followup import curves
from gdexp.plan import Plan, Tile
from gdexp.results import Results
from gdexp.sinks import Sink, Status

PATH_STATES = 128  # of a single run, unless more are asked for
TRACED_RUNS = 1024  # in a part of traces/, and
TRACED_STATES = 2**20  # in it at most: the states of a part are in memory together


def run(
    experiment: Experiment,
    directory: FilePath | None,
    sinks: Iterable[type[Sink]] = (),
    path_every: int | None = None,
) -> Results:
    """Runs a sweep and returns its results.

    Args:
      experiment: what to run.
      directory: where to write; None keeps everything in memory.
      sinks: kinds of sink to tell; those that do not want this sweep are left out.
      path_every: steps between recorded states of a single run; None: about PATH_STATES states.

    Raises:
      UsageError: there is no device of the kind asked for.
    """
    began = time.perf_counter()
    planned = plan.make(experiment)
    engine = Engine(experiment, planned)
    manifest = _manifest(experiment, planned, engine)
    if directory:
        store.write_config(directory, experiment.config)
        store.write_manifest(directory, manifest)
    results = Results(
        directory=directory, manifest=manifest, config=experiment.config, experiment=experiment
    )
    if experiment.prepare:
        return results
    told = [kind(experiment, planned, directory) for kind in sinks if kind.wanted(experiment)]
    with _closing(told, results):
        objectives = labels.prepare(experiment, planned)
        tally = _descend(engine, results, told, began)
        _trace(engine, results)
        if planned.count == 1:
            steps = max(tally.groups[0].longest, 1)
            [results.path] = engine.trace([0], path_every or -(-steps // PATH_STATES))
        replayed = 0
        if directory and planned.count > 1 and experiment.report:
            made = curves.table(engine)  # while what labels need is still being compiled
            replayed = int(made.schema.metadata[b"further_runs"])
            results.add_curves(made)
        found = labels.label(results, objectives)
        seconds = time.perf_counter() - began
        results.summary = _summary(tally, engine, seconds) | {
            "stationary": found,
            "replayed_for_curves": replayed,
        }
        _complete(manifest, engine, seconds)
        if directory:
            store.write_summary(directory, results.summary)
            store.write_manifest(directory, manifest)
    with contextlib.ExitStack() as every:  # one that fails keeps none of the others from ending
        for sink in told:
            every.callback(sink.finish, results)
    return results


def _descend(engine: Engine, results: Results, sinks: list[Sink], began: float) -> Tally:
    """Descends every tile, stores it and tells the sinks how far it is."""
    tally = Tally(engine.plan, engine.experiment.sign, engine.experiment.stop.targets)
    total = engine.plan.count
    for harvest in engine.run(engine.plan.tiles()):
        if harvest.ends is not None:
            tally.groups[harvest.tile.group].add(harvest.tile.runs, harvest.ends)
            table = columns.run_table(engine.experiment, engine.plan, harvest.tile, harvest.ends)
            results.add_runs(harvest.tile.part, table)
            record = _tile_record(harvest.tile, table)
            bisect.insort(results.manifest["tiles"], record, key=itemgetter("part"))
        done = int(harvest.reasons.sum())
        status = Status(done, total, time.perf_counter() - began, outcome_counts(harvest.reasons))
        for sink in sinks:
            sink.progress(status)
    return tally


def _trace(engine: Engine, results: Results) -> None:
    """Descends the runs whose path was asked for again, and stores what they passed through."""
    asked = engine.experiment.trace
    if not asked.every:
        return
    runs = range(engine.plan.count) if asked.runs is None else asked.runs
    states = engine.experiment.stop.max_steps // asked.every + 2
    step = min(TRACED_RUNS, max(1, TRACED_STATES // states))
    for part, first in enumerate(range(0, len(runs), step)):
        paths = _measured(engine, runs[first : first + step])
        results.add_traces(part, columns.trace_table(engine.experiment, paths))


def _measured(engine: Engine, runs: Sequence[int]) -> Iterator[tuple[Path, dict[str, np.ndarray]]]:
    """The states of some runs that were asked for, with their metrics."""
    asked, most = engine.experiment.trace, engine.experiment.stop.max_steps
    paths = engine.trace(runs, metrics.steps(asked.every, most, asked.metrics))
    if not asked.metrics:
        yield from ((path, {}) for path in paths)
        return
    for group, mine in itertools.groupby(paths, lambda path: engine.plan.group_of(path.run)):
        yield from metrics.of(engine.experiment, group, mine)


@contextlib.contextmanager
def _closing(sinks: list[Sink], results: Results) -> Iterator[None]:
    """When the sweep is cut short: keeps the record of its tiles, and tells the sinks."""
    try:
        yield
    except BaseException as error:
        if results.directory:
            with contextlib.suppress(OSError):  # a full disk may be what cut it: that is told
                store.write_manifest(results.directory, results.manifest)
        for sink in sinks:
            sink.abort(error)
        raise


def _tile_record(tile: Tile, table: pa.Table) -> dict[str, Any]:
    return {
        "part": tile.part,
        "first": tile.first,
        "count": tile.count,
        "sha256": columns.digest(table),
    }


def _manifest(experiment: Experiment, planned: Plan, engine: Engine) -> dict[str, Any]:
    """What is known before the first tile. Grid values are kept as bits, not as formulas."""
    grid = {
        key: base64.b64encode(values.astype("<f8").tobytes()).decode()
        for key, values in experiment.grid.items()
    }
    code = {
        name: function.digest(card["path"])
        for name, card in experiment.config["objective"].items()
        if card and card.get("path")
    }
    return {
        "format": 1,
        **environment.describe(engine.device),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "complete": False,
        "runs": planned.count,
        "groups": [
            {
                "objective": group.objective_name,
                "optimizer": group.optimizer.name,
                "first": group.first,
                "shape": list(group.shape),
                "axes": [list(axis.keys) for axis in group.axes],
                "tile_runs": plan.tile_runs(group),  # what part-*.parquet holds, but for the last
            }
            for group in planned.groups
        ],
        "dtype": experiment.dtype,
        "matmul_precision": "highest",
        "grid": grid,  # KEY -> little-endian float64, base64
        "code_sha256": code,
        "programs": [],
        "tiles": [],
        "timings": {},
    }


def _complete(manifest: dict[str, Any], engine: Engine, seconds: float) -> None:
    """What is known after the last tile."""
    manifest["programs"] = [
        {"group": i, "lanes": p.lanes, "sha256": p.digest, "compile_seconds": p.compile_seconds}
        for i, p in sorted(engine.programs.items())
    ]
    manifest["timings"] = {
        "total_seconds": seconds,
        "compile_seconds": engine.compile_seconds,
    }
    manifest["complete"] = True


def _summary(tally: Tally, engine: Engine, seconds: float) -> dict[str, Any]:
    found = tally.summary()
    found["seconds"] = seconds
    found["compile_seconds"] = engine.compile_seconds
    found["runs_per_second"] = found["runs"] / seconds
    return found
