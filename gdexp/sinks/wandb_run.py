"""The sweep as one Weights & Biases run, offline unless the user asks for more."""

from __future__ import annotations

import sys
import time
from typing import Any

from gdexp.sinks import Sink, Status
from gdexp.sinks._wandb import MAX_ROWS, WandbRun

ROW_SECONDS = 1.0  # between two rows of the history


class WandbSink(Sink):
    """Progress as history, the summary, a sample of the runs as a table, and the Parquet files."""

    @classmethod
    def wanted(cls, experiment):
        return experiment.wandb.mode != "disabled"

    def __init__(self, experiment, plan, directory):
        super().__init__(experiment, plan, directory)
        asked = experiment.wandb
        self.run = WandbRun(
            directory,
            experiment.config,
            mode=asked.mode,
            project=asked.project,
            name=asked.name or directory.name,
            group=asked.group or experiment.sweep,
            tags=asked.tags,
            warn=lambda text: print(f"gdexp: {text}", file=sys.stderr),
        )
        self.told = 0.0

    def progress(self, status: Status) -> None:
        """A row of history, at most one a second, and the last."""
        now = time.monotonic()
        if now - self.told >= ROW_SECONDS or status.done == status.total:
            self.told = now
            self.run.progress(status.done, status.total, status.runs_per_second, status.outcomes)

    def finish(self, results: Any) -> None:
        """Everything that was found; the files lie in the run's own folder as well."""
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
        files = sorted(self.directory.glob("runs/*.parquet"))
        files += sorted(self.directory.glob("traces/*.parquet"))
        files += sorted(self.directory.glob("*.parquet"))  # labels and minima
        sample = results.sample(MAX_ROWS)
        summary["table_rows"] = sample.num_rows
        self.run.finish(summary, sample, files)

    def abort(self, error: BaseException) -> None:
        """Closes the run; what was logged stays."""
        self.run.abort(130 if isinstance(error, KeyboardInterrupt) else 1)
