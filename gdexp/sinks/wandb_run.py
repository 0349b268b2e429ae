"""The sweep as one Weights & Biases run, offline unless the user asks for more."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

import pyarrow as pa

from gdexp import store
from gdexp.analysis import curves
from gdexp.base import Path
from gdexp.drawing import Drawing
from gdexp.sinks import Sink, Status
from gdexp.sinks._wandb import MAX_ROWS, Found, WandbRun, rows

ROW_SECONDS = 1.0  # between two rows of the history


class WandbSink(Sink):
    """Progress and curves as history, the summary, tables, figures, and the Parquet files."""

    place = 2

    @classmethod
    def wanted(cls, experiment):
        return experiment.wandb.mode != "disabled"

    def __init__(self, experiment, plan, directory):
        super().__init__(experiment, plan, directory)
        self.run = opened(experiment, directory)
        self.told = 0.0

    def progress(self, status: Status) -> None:
        """A row of history, at most one a second, and the last."""
        now = time.monotonic()
        if now - self.told >= ROW_SECONDS or status.done == status.total:
            self.told = now
            self.run.progress(status.done, status.total, status.runs_per_second, status.outcomes)

    def finish(self, results: Any) -> None:
        """Everything that was found; the files lie in the run's own folder as well."""
        with self.run.or_go_quiet("collecting the result"):
            self.run.finish(found(results, self.experiment.report))
        tell(self.run)

    def abort(self, error: BaseException) -> None:
        """Closes the run; what was logged stays."""
        self.run.abort(130 if isinstance(error, KeyboardInterrupt) else 1)


def again(results: Any) -> None:
    """A finished sweep as a W&B run once more, from what is stored."""
    run = opened(results.experiment, results.directory)
    summary = results.summary
    total, rate = results.manifest["runs"], summary["runs_per_second"]
    run.progress(total, total, rate, summary["outcomes"])
    with run.or_go_quiet("collecting the result"), tempfile.TemporaryDirectory() as folder:
        images = dict(_images(results, FilePath(folder)))  # some seconds, which no sweep waits for
        run.finish(found(results, shown=True)._replace(images=images))
    tell(run)


def promoted(results: Any, states: Path) -> None:
    """One run of a sweep as a W&B run of its own, step by step, in the sweep's group."""
    run = opened(results.experiment, results.directory, f"run {states.run}", latest=False)
    end = {"run": states.run, "outcome": states.outcome, "reason": states.reason.label}
    end |= {"steps": int(states.step[-1]), "f": float(states.f[-1])}
    run.finish(Found(summary=end, history=rows.path(states)))
    tell(run)


def opened(
    experiment: Any, directory: FilePath, name: str | None = None, latest: bool = True
) -> WandbRun:
    """A W&B run, filed as the experiment asks; offline where it asks for none."""
    store.refuse_links(directory)
    asked, folder = experiment.wandb, directory.resolve().name
    return WandbRun(
        directory,
        experiment.config,
        mode="online" if asked.mode == "online" else "offline",
        project=asked.project,
        name=name or asked.name or folder,
        group=asked.group or experiment.sweep or folder,
        tags=asked.tags,
        latest=latest,
        warn=lambda text: print(f"gdexp: {text}", file=sys.stderr),
    )


def tell(run: WandbRun) -> None:
    """Says where a closed run is."""
    if run.where:
        print(f"W&B: {run.where}")


def found(results: Any, shown: bool) -> Found:
    """What a W&B run is told of finished results.

    Args:
      results: of a sweep in a folder.
      shown: whether the report's figures and curves are among it.
    """
    sample = results.sample(MAX_ROWS)
    tables, figures, history = {"runs": sample}, {}, iter(())
    if results.has_labels:
        tables["minima"] = results.minima.slice(0, MAX_ROWS)  # best value first
    if turns := results.summary["thresholds"]:
        tables["thresholds"] = pa.table(
            {
                **{name: [turn[name] for turn in turns] for name in ("objective", "optimizer")},
                "below": [turn["learning_rate"][0] for turn in turns],
                "above": [turn["learning_rate"][1] for turn in turns],
            }
        )
    if results.plan.count == 1:
        history = rows.path(results.path or results.paths([0])[0])
    elif shown:
        history = rows.curves(curves.pooled(results.curves.schema.metadata))
    if shown:
        figures = dict(_figures(results))
    summary = _summary(results, sample.num_rows)
    files = store.tables(results.directory)
    return Found(summary, history, tables=tables, figures=figures, files=files)


def _summary(results: Any, shown: int) -> dict[str, Any]:
    summary = {key: value for key, value in results.summary.items() if key != "groups"}
    summary["thresholds"] = {
        f"{t['objective']}/{t['optimizer']}": dict(
            zip(("below", "above"), t["learning_rate"], strict=True)
        )
        for t in results.summary["thresholds"]
    }
    summary["by_group"] = {
        f"{group['objective']}/{group['optimizer']}": group["outcomes"]
        for group in results.summary["groups"]
    }
    runs = results.manifest["runs"]
    told = "all" if shown == runs else "one from each of as many equal stretches of run numbers"
    summary |= {"table_rows": shown, "table": f"{shown:,} of {runs:,} runs: {told}"}
    if results.has_labels:
        summary["minima_rows"] = results.minima.num_rows  # of which the table has the first
    return summary


def _images(results: Any, folder: FilePath) -> Iterator[tuple[str, FilePath]]:
    """Name -> PNG file in `folder` of each figure; none without the extra `plot`."""
    if importlib.util.find_spec("matplotlib"):
        from gdexp.rendering import in_matplotlib

        for name, drawing in _named(results):
            path = folder / f"{name.replace('/', '_')}.png"
            in_matplotlib.save(drawing, path)
            yield name.replace("figures", "images"), path


def _figures(results: Any) -> Iterator[tuple[str, str]]:
    """Name -> figure in Plotly's JSON: the report's own."""
    from gdexp.rendering import in_plotly  # late: it takes a moment

    for name, drawing in _named(results):
        yield name, in_plotly.to_json([drawing])[1:-1]


def _named(results: Any) -> Iterator[tuple[str, Drawing]]:
    """The figures of the report, each with a name."""
    for part in results.gallery.shown:
        for place, drawing in enumerate(part.drawings, 1):
            yield f"figures/{part.kind}" + (f"_{place}" if len(part.drawings) > 1 else ""), drawing
