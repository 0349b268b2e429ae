"""The main job: plan, descend, store, tell. It knows the rooms and does no work of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from gdexp import claims, columns, commits, labels, manifest, metrics, own_bits, plan, store, verify
from gdexp.analysis.tally import Tally, outcome_counts
from gdexp.base import Path
from gdexp.descents import Descents
from gdexp.engine import Engine
from gdexp.executor import Executor
from gdexp.experiment import Experiment
from gdexp.extending import Known
from gdexp.followup import curves
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
    known: Known | None = None,
) -> Results:
    """Runs a sweep and returns its results.

    Args:
      experiment: what to run.
      directory: where to write; None keeps everything in memory.
      sinks: kinds of sink to tell; those that do not want this sweep are left out.
      path_every: steps between recorded states of a single run; None: about PATH_STATES states.
      known: runs that another sweep has made.

    Raises:
      UsageError: there is no device of the kind asked for.
      NotTheSameError: what another sweep has made comes out otherwise here.
    """
    planned = plan.make(experiment)
    engine = Engine(experiment, planned)
    if known:
        known.check(engine)
    results = Results(
        directory=directory,
        manifest=manifest.begin(experiment, planned, engine),
        config=experiment.config,
        experiment=experiment,
    )
    if experiment.prepare:
        manifest.prepare(results.manifest, engine)
    if directory:
        store.write_config(directory, experiment.config)
        store.write_manifest(directory, results.manifest)
    return results if experiment.prepare else _finish(results, engine, sinks, path_every, known)


def resume(
    results: Results, sinks: Iterable[type[Sink]] = (), executor: Executor | None = None
) -> Results:
    """Finishes a sweep that was cut short, as if nothing had been.

    What is finished is kept, once its files are found whole and some of its runs come out the same
    again; what is damaged is set aside and computed again. A sweep that is finished and whole stays
    as it is.

    Args:
      results: of the sweep, in its folder.
      sinks: kinds of sink to tell.
      executor: where what is missing is made; None: here.

    Raises:
      UsageError: the config is not the one that the sweep began with.
      NotTheSameError: its runs would have other bits here.
    """
    before = results.manifest
    store.refuse_links(results.directory)
    if before["complete"] and commits.all_whole(results.directory, before):
        return results
    engine = verify.trusted_engine(results)
    if executor:
        engine.experiment = dataclasses.replace(engine.experiment, executor=executor)
    commits.sweep_up(results.directory)
    return _finish(results, engine, sinks)


def finish(results: Results) -> None:
    """Completes a sweep of which every tile is there, on whatever machine: none is made."""
    engine = verify.engine_of(results)
    elsewhere = any(verify.differences(results.manifest, engine))
    commits.sweep_up(results.directory)
    _finish(results, engine, (), elsewhere=elsewhere)


def derive(results: Results) -> None:
    """Makes labels, minima, curves and what the summary tells of them again, from stored runs."""
    experiment, planned = results.experiment, results.plan
    objectives = labels.prepare(experiment, planned)
    if planned.count > 1:
        results.add_curves(curves.table(results.engine))
    results.summary = results.summary | {"stationary": labels.label(results, objectives)}
    store.write_summary(results.directory, results.summary)


def _finish(
    results: Results,
    engine: Engine,
    sinks: Iterable[type[Sink]],
    path_every: int | None = None,
    known: Known | None = None,
    elsewhere: bool = False,
) -> Results:
    """Does all that is not done yet; `elsewhere`: where stored runs cannot be made again."""
    began = time.perf_counter()
    experiment, planned, directory = engine.experiment, engine.plan, results.directory
    told = [kind(experiment, planned, directory) for kind in sinks if kind.wanted(experiment)]
    with _closing(told, results):
        objectives = labels.prepare(experiment, planned)
        tally, made = _descend(engine, results, told, began, known, elsewhere)
        _trace(engine, results)
        if planned.count == 1:
            steps = max(tally.groups[0].longest, 1)
            [results.path] = engine.trace([0], path_every or -(-steps // PATH_STATES))
        if directory and planned.count > 1 and experiment.report:
            sample = curves.table(engine)  # while what labels need is still being compiled
            results.manifest["replayed_for_curves"] = int(sample.schema.metadata[b"further_runs"])
            results.add_curves(sample)
        found = labels.label(results, objectives)
        seconds = time.perf_counter() - began
        results.summary = _summary(tally, engine, seconds, made) | {"stationary": found}
        manifest.complete(results.manifest, engine, seconds)
        if directory:
            store.write_summary(directory, results.summary)
            store.write_manifest(directory, results.manifest)
    results.engine = engine  # what sinks ask for needs no program to be compiled again
    with contextlib.ExitStack() as every:  # one that fails keeps none of the others from ending
        for made in ("engine", "gallery"):  # for the sinks, of which several may ask
            every.callback(results.__dict__.pop, made, None)
        for sink in sorted(told, key=lambda sink: sink.place, reverse=True):  # the last is first
            every.callback(sink.finish, results)
    return results


def _descend(
    engine: Engine,
    results: Results,
    sinks: list[Sink],
    began: float,
    known: Known | None,
    elsewhere: bool,
) -> tuple[Tally, int]:
    """Descends every tile that is not finished, stores it and tells the sinks how far it is.

    Returns what was counted of all runs, and how many were made.
    """
    results.manifest["tiles"] = []
    make = functools.partial(engine.experiment.executor.run, results, engine)
    descents = Descents(results, engine, functools.partial(known.run, make) if known else make)
    tiles = list(engine.plan.tiles())
    descents.find(tiles)
    if not elsewhere:
        verify.canaries(results, engine, descents.makers)

    def tell(reasons):
        seconds, counts = time.perf_counter() - began, outcome_counts(reasons)
        status = Status(int(reasons.sum()), engine.plan.count, seconds, counts)
        for sink in sinks:
            sink.progress(status)

    descents.make(tiles, tell)
    claims.clear(results.directory)
    own_bits.gather(results)
    if known:
        identity = known.before.manifest["identity"]
        results.manifest["taken"] = {"runs": known.taken, "identity": identity}
        descents.made -= known.taken
    return descents.tally, descents.made


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
            own_bits.gather(results)
            with contextlib.suppress(OSError):  # a full disk may be what cut it: that is told
                store.write_manifest(results.directory, results.manifest)
        for sink in sinks:
            sink.abort(error)
        raise


def _summary(tally: Tally, engine: Engine, seconds: float, made: int) -> dict[str, Any]:
    found = tally.summary()
    found["seconds"] = seconds
    found["compile_seconds"] = engine.compile_seconds
    found["runs_per_second"] = made / seconds
    return found
