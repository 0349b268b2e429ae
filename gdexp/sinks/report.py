"""report.html in the sweep's folder, and where it is."""

from __future__ import annotations

import shlex
import sys
from typing import Any

from gdexp import store
from gdexp.sinks import Sink


class Report(Sink):
    """Writes the page once all is stored. What fails in it is told, and ends no sweep."""

    place = 1

    @classmethod
    def wanted(cls, experiment):
        return experiment.report

    def finish(self, results: Any) -> None:
        from gdexp import report  # late: what a sweep computes needs none of it

        folder = shlex.quote(store.typed(self.directory))
        try:
            path = store.write_report(self.directory, report.html(results))
        except Exception as error:
            told = f"{type(error).__name__}: {error}".splitlines()[0]
            print(
                f"gdexp: {store.REPORT} could not be made ({told}); the results are whole, and "
                f"python -m gdexp report {folder} tries again",
                file=sys.stderr,
            )
        else:
            print(f"report: {store.typed(path)}")
