"""`gdexp resume [DIR] [--allow-code]`: finishes an interrupted sweep.

`gdexp resume [DIR] KEY=VALUE ... [hydra.run.dir=NEW]` runs a larger sweep into a new folder, and
takes from DIR what is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gdexp.base import UsageError, discover
from gdexp.commands import asked, new_directory, other_bits, underway
from gdexp.config import saved
from gdexp.config.values import plain

if TYPE_CHECKING:
    from gdexp.results import Results

WHERE = "hydra.run.dir"


def main(arguments: Sequence[str]) -> int:
    """Does what is not done yet; 3 if it would have other bits here, and why."""
    found, words = asked(arguments, None)
    from gdexp import commits, verify  # late: they bring JAX

    saved.refuse_changed(found.config, found.manifest)
    finished = found.manifest["complete"] and not words
    if finished and commits.all_whole(found.directory, found.manifest):
        print(f"{found.directory} is finished: there is nothing to do")
        return 0
    try:
        _extend(found, words) if words else _resume(found)
    except verify.NotTheSameError as error:
        return other_bits(error)
    return 0


def _resume(found: Results) -> None:
    from gdexp import job, sinks

    with underway(found.directory):
        job.resume(found, discover("gdexp.sinks", sinks.Sink).values())


def _extend(found: Results, words: dict[str, str]) -> None:
    from gdexp import engine, extending, plan
    from gdexp.commands import run

    directory = Path(words.pop(WHERE)) if WHERE in words else new_directory()
    changes = {key: plain(key, text) for key, text in words.items()}
    if not changes:
        raise UsageError("what is there to be more of? type start.num=1000 or grid.KEY=VALUES")
    experiment = extending.experiment(found, changes)
    planned = plan.make(experiment)
    engine.check(experiment, planned)
    run.run(experiment, directory, extending.Known(found, planned))
