"""Who is told about a sweep while it runs and when it ends: one file a sink."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from gdexp.experiment import Experiment
from gdexp.plan import Plan


class Status(NamedTuple):
    """How far a sweep is."""

    done: int  # runs that ended
    total: int
    seconds: float  # since it began, compilation included
    outcomes: dict[str, int]  # counts so far, by outcome

    @property
    def runs_per_second(self) -> float:
        return self.done / self.seconds if self.seconds > 0 else 0.0


class Sink:
    """Told of one sweep. What a sink raises ends it: one that may fail guards itself."""

    place = 0  # whose turn it is at the end: first what a person waits for

    @classmethod
    def wanted(cls, experiment: Experiment) -> bool:
        """Whether this experiment asks for this sink."""
        return True

    def __init__(self, experiment: Experiment, plan: Plan, directory: Path | None):
        self.experiment, self.plan, self.directory = experiment, plan, directory

    def progress(self, status: Status) -> None:
        """After each device call: several times a second."""

    def finish(self, results: Any) -> None:
        """All runs are stored; `results` is a results.Results."""

    def abort(self, error: BaseException) -> None:
        """The sweep was cut short by `error`."""
