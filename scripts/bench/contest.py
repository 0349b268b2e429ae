"""One task, given to several contestants in turn, round after round.

Every round asks all of them, each round beginning with another, so that what disturbs the machine
for a while disturbs all; a ratio is formed within a round. Useful steps are the steps that gdexp
says the runs need: a contestant's speed is that number over its seconds, whatever it did besides.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from bench import workers
from bench.agreement import agreement
from bench.figures import ratio, spread
from bench.peers import OUTCOMES
from bench.tasks import Task
from bench.workers import RefusedError, Workers


@dataclasses.dataclass(frozen=True)
class Contestant:
    """A peer, and how it is set for this contest."""

    peer: str
    devices: int | None = None  # None: one for each core, where it asks for any
    lanes: int | None = None  # None: gdexp's own rule
    whole: bool = False  # from the experiment to a finished folder, not the descents alone
    unchecked: bool = False  # without looking for cycles and stalls

    @property
    def name(self) -> str:
        said = [f"{what}={n}" for what in ("devices", "lanes") if (n := getattr(self, what))]
        said += [what for what in ("whole", "unchecked") if getattr(self, what)]
        return self.peer + (f"[{', '.join(said)}]" if said else "")


GDEXP = Contestant("gdexp")


def hold(
    pool: Workers, task: Task, others: Sequence[Contestant], rounds: int, first: Contestant = GDEXP
) -> dict[str, Any]:
    """The figures of a task: those of gdexp, and each contestant's beside it."""
    entries: dict[str, dict[str, Any]] = {}
    ends: dict[str, dict[str, np.ndarray]] = {}
    for contestant in (first, *others):
        try:
            entries[contestant.name], ends[contestant.name] = _prepare(pool, task, contestant)
        except RefusedError as error:
            entries[contestant.name] = {"skipped": str(error)}
    seconds = _rounds(pool, entries, (first, *others), rounds)
    pool.drop()
    (pool.home / "given.npz").unlink(missing_ok=True)
    if first.name not in seconds:
        alone = {"skipped": f"{first.name} did not last"}
        return _told(task) | {"entries": entries | dict.fromkeys(seconds, alone)}
    ours = ends[first.name]
    for name, spent in seconds.items():
        entries[name] |= _figures(entries[name]["runs"], ours["steps"], spent)
        if name != first.name:
            entries[name] |= _beside(entries[name], entries[first.name])
            entries[name]["agreement"] = agreement(ours, ends[name])
    return _told(task) | _work(ours) | {"entries": entries}


def _prepare(pool: Workers, task: Task, contestant: Contestant) -> tuple[dict, dict]:
    peer = workers.module(contestant.peer)
    if why := workers.missing(contestant.peer) or peer.refuses(task):
        raise RefusedError(why)
    file = pool.home / "ends.npz"
    answer = pool.get(contestant.peer, contestant.devices).ask(
        do="prepare",
        slot=contestant.name,
        task=dataclasses.asdict(task),
        options={what: getattr(contestant, what) for what in ("lanes", "whole", "unchecked")},
        given=str(pool.home / "given.npz"),
        ends=str(file),
    )
    with np.load(file) as found:
        ends = dict(found)
    file.unlink()
    return answer | {"same_work": peer.SAME_WORK, "per": peer.PER}, ends


def _rounds(
    pool: Workers, entries: dict, contestants: Sequence[Contestant], rounds: int
) -> dict[str, list[float]]:
    """Seconds of every round, of those that lasted."""
    racing = [c for c in contestants if "skipped" not in entries[c.name]]
    seconds: dict[str, list[float]] = {c.name: [] for c in racing}
    for i in range(rounds):
        turn = i % max(1, len(racing))
        for contestant in racing[turn:] + racing[:turn]:
            if contestant.name not in seconds:
                continue
            try:
                worker = pool.get(contestant.peer, contestant.devices)
                seconds[contestant.name].append(
                    worker.ask(do="time", slot=contestant.name)["seconds"]
                )
            except RefusedError as error:
                entries[contestant.name] = {"skipped": f"in round {i + 1}: {error}"}
                del seconds[contestant.name]
    return seconds


def _told(task: Task) -> dict[str, Any]:
    return {"name": task.name, "task": dataclasses.asdict(task)}


def _work(ours: dict[str, np.ndarray]) -> dict[str, Any]:
    """What the runs need. The useful share is that of a batch which waits for its slowest run."""
    steps, count = ours["steps"].astype(np.int64), len(ours["steps"])
    longest = max(1, int(steps.max()))
    shares = np.bincount(ours["outcome"], minlength=len(OUTCOMES)) / count
    return {
        "useful_steps": int(steps.sum()),
        "longest": longest,
        "useful_share": float(steps.sum() / (count * longest)),
        "outcomes": dict(zip(OUTCOMES, shares.tolist(), strict=True)),
    }


def _figures(runs: int, steps: np.ndarray, seconds: list[float]) -> dict[str, Any]:
    useful = int(steps[:runs].astype(np.int64).sum())
    return {
        "useful_steps": useful,
        "seconds": spread(seconds),
        "steps_per_second": spread([useful / s for s in seconds]),
        "runs_per_second": spread([runs / s for s in seconds]),
    }


def _beside(theirs: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """How many times the first contestant's speed is this one's, in steps or in runs."""
    what = {"step": "useful_steps", "run": "runs"}[theirs["per"]]
    more = ours[what] / max(1, theirs[what])
    return {"ratio": ratio(theirs["seconds"]["rounds"], ours["seconds"]["rounds"], more)}
