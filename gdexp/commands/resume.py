"""`gdexp resume [DIR] [executor=NAME executor.KEY=VALUE ...] [--allow-code]`: finishes an
interrupted sweep.

`gdexp resume [DIR] KEY=VALUE ... [hydra.run.dir=NEW]` runs a larger sweep into a new folder, and
takes from DIR what is there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gdexp.base import UsageError, discover
from gdexp.commands import asked, new_directory, other_bits, underway
from gdexp.config import check, saved, tree
from gdexp.config.values import plain

if TYPE_CHECKING:
    from gdexp.executor import Executor
    from gdexp.results import Results

WHERE = "hydra.run.dir"


def main(arguments: Sequence[str]) -> int:
    """Does what is not done yet; 3 if it would have other bits here, and why."""
    found, words = asked(arguments, None)
    executor = _executor(words)
    from gdexp import commits, verify  # late: they bring JAX

    saved.refuse_changed(found.config, found.manifest)
    finished = found.manifest["complete"] and not words
    if finished and commits.all_whole(found.directory, found.manifest):
        print(f"{found.directory} is finished: there is nothing to do")
        return 0
    try:
        _extend(found, words, executor) if words else _resume(found, executor)
    except verify.NotTheSameError as error:
        return other_bits(error)
    return 0


def _executor(words: dict[str, str]) -> Executor | None:
    """Takes out of the words where the sweep goes on, if they say so."""
    given = {key: words.pop(key) for key in list(words) if key.partition(".")[0] == "executor"}
    if not given:
        return None
    name = given.pop("executor", None)
    if name is None:
        raise UsageError(f"{min(given)} needs the name of an executor: add executor=NAME")
    card = {key.partition(".")[2]: plain(key, text) for key, text in given.items()}
    asked = check.executor(tree.single("executor", {name: card}))
    asked.reach()
    return asked


def _resume(found: Results, executor: Executor | None) -> None:
    from gdexp import job, sinks

    with underway(found.directory, where=executor.words if executor else ""):
        job.resume(found, discover("gdexp.sinks", sinks.Sink).values(), executor)


def _extend(found: Results, words: dict[str, str], executor: Executor | None) -> None:
    from gdexp import engine, extending, plan
    from gdexp.commands import run

    directory = Path(words.pop(WHERE)) if WHERE in words else new_directory()
    changes = {key: plain(key, text) for key, text in words.items()}
    if not changes:
        raise UsageError("what is there to be more of? type start.num=1000 or grid.KEY=VALUES")
    experiment = extending.experiment(found, changes)
    experiment = dataclasses.replace(experiment, executor=executor or experiment.executor)
    planned = plan.make(experiment)
    engine.check(experiment, planned)
    run.run(experiment, directory, extending.Known(found, planned))
