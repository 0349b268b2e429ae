"""Measures gdexp beside what a user would pick instead, on the same work, in interleaved rounds.

    python scripts/benchmark.py --json benchmarks/cpu.json --markdown docs/benchmark.md
    python scripts/benchmark.py --only 'paraboloid.sgd.*/while_loop' memory --rounds 9
    python scripts/benchmark.py --list

Prints gdexp's useful steps a second, how many times that is each contestant's (median, least and
greatest of the rounds), and whether each target is met. The contestants are in bench/peers/;
`pip install -c constraints.txt -e '.[bench]'` brings those that gdexp does not need itself, and
what is not here is left out, with the reason. Everything takes more than an hour on two cores, with
nothing else running; `--resume` goes on where a run was cut off, on the same machine and commit.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import contest, machine, markdown, processes, scaling, spreading, targets, tasks, workers
from bench.contest import Contestant
from bench.processes import attempt

PROCESSES = ("processes", "memory", "hydra", "spreading")
QUICK_MEMORY, QUICK_STARTS = (1000, 2000), (32, 16)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.resume and not asked.json:
        parser.error("--resume goes with --json FILE")
    if asked.list:
        print(*_names(), sep="\n")
        return
    rounds = 1 if asked.quick else asked.rounds
    report = _begun(asked, rounds)
    with tempfile.TemporaryDirectory() as folder, workers.started(Path(folder)) as pool:
        _contests(report, pool, asked, rounds)
        _scaling(report, pool, asked, rounds)
    with tempfile.TemporaryDirectory() as folder:
        _processes(report, Path(folder), asked, rounds)
    _keep(report, asked)
    print("\n" + markdown.targets(report["targets"]))


def _begun(asked: argparse.Namespace, rounds: int) -> dict[str, Any]:
    """A new report, or the one to go on with, if it was measured in the same way and place."""
    fresh: dict[str, Any] = {
        "format": 1,
        "quick": asked.quick,
        "rounds": rounds,
        "commit": machine.commit(workers.ROOT),
        "machine": machine.describe(),
        "contestants": {peer: workers.module(peer).WHAT for peer in workers.PEERS},
        "contests": [],
        "scaling": {},
    }
    if not asked.resume or not asked.json.exists():
        return fresh
    found = json.loads(asked.json.read_text(encoding="utf-8"))
    for what in ("format", "quick", "rounds", "commit", "machine", "contestants"):
        ours, theirs = (_lasting(report.get(what)) for report in (fresh, found))
        if ours != theirs:
            raise SystemExit(
                f"{asked.json} was measured with another {what} ({theirs}, here {ours}): "
                "leave out --resume, or name another file"
            )
    return found


def _lasting(value: Any) -> Any:
    """What does not change while a machine stands."""
    if isinstance(value, dict):
        return {key: one for key, one in value.items() if key != "load_average"}
    return value


def _contests(report: dict, pool: workers.Workers, asked: argparse.Namespace, rounds: int) -> None:
    for task in tasks.contested():
        peers = [p for p in workers.PEERS[1:] if _wanted(asked.only, task.name, p)]
        before = [one["entries"] for one in report["contests"] if one["name"] == task.name]
        known = set().union(*before)
        if known.issuperset(peers):
            continue
        # ratios are formed within a round: one more contestant has them all run again
        peers = [p for p in workers.PEERS[1:] if p in known.union(peers)]
        task = tasks.tiny(task) if asked.quick else task
        held = contest.hold(pool, task, [Contestant(peer) for peer in peers], rounds)
        others = [one for one in report["contests"] if one["name"] != task.name]
        report["contests"] = [*others, held]
        _tell(held["name"], held)
        _keep(report, asked)


def _scaling(report: dict, pool: workers.Workers, asked: argparse.Namespace, rounds: int) -> None:
    for series, at, task, others, first in scaling.measures():
        held = [(one["name"], one["at"]) for one in report["scaling"].get(series, ())]
        if not _wanted(asked.only, f"scaling.{series}") or (task.name, at) in held:
            continue
        task = tasks.tiny(task) if asked.quick else task
        held = contest.hold(pool, task, others, rounds, first)
        held |= {"at": at, "cores": machine.cores()}
        report["scaling"].setdefault(series, []).append(held)
        _tell(f"scaling.{series} {held['name']}" + (f" at {at}" if at is not None else ""), held)
        _keep(report, asked)


def _processes(report: dict, home: Path, asked: argparse.Namespace, rounds: int) -> None:
    def due(what: str) -> bool:
        return _wanted(asked.only, what) and "skipped" in report.get(what, {"skipped": ""})

    if due("processes"):
        report["processes"] = attempt(processes.seconds, home, rounds)
        _tell_figures("processes", report["processes"])
    if due("hydra"):
        report["hydra"] = attempt(processes.hydra, home, rounds)
        _tell_figures("hydra", report["hydra"])
    if due("memory"):
        sizes = QUICK_MEMORY if asked.quick else processes.MEMORY_RUNS
        report["memory"] = attempt(processes.memory, home, min(rounds, 3), sizes)
        _tell_figures("memory", report["memory"])
    if due("spreading"):
        starts = QUICK_STARTS if asked.quick else spreading.STARTS
        report["spreading"] = attempt(spreading.seconds, home, min(rounds, 3), starts)
        _tell_figures("spreading", report["spreading"])


def _names() -> list[str]:
    """What --only may name."""
    series = dict.fromkeys(f"scaling.{measure.series}" for measure in scaling.measures())
    return [*(task.name for task in tasks.contested()), *series, *PROCESSES]


def _wanted(patterns: Sequence[str] | None, name: str, peer: str = "") -> bool:
    """Whether WORK or WORK/PEER was asked for; a beginning up to a dot stands for all of it."""
    for pattern in patterns or ["*"]:
        work, _, peers = pattern.partition("/")
        fits = fnmatch.fnmatch(name, work) or fnmatch.fnmatch(name, f"{work}.*")
        if fits and (not peers or fnmatch.fnmatch(peer, peers)):
            return True
    return False


def _tell(name: str, held: dict[str, Any]) -> None:
    """One contest, as it ends."""
    share = f", {held['useful_share']:.0%} useful" if "useful_share" in held else ""
    print(f"{name}{share}", flush=True)
    for name, entry in held["entries"].items():
        if "steps_per_second" not in entry:
            print(f"  {name:22s} – {entry['skipped']}", flush=True)
            continue
        speed = markdown.spread(entry["steps_per_second"], 1e-6)
        ratio = f"gdexp ×{markdown.spread(entry['ratio'])}" if "ratio" in entry else ""
        print(f"  {name:22s} {speed:>28s} million steps a second   {ratio}", flush=True)


def _tell_figures(name: str, figures: dict[str, Any]) -> None:
    """Figures of whole processes: spreads by name, or groups of them."""
    print(name, figures.get("skipped", ""), flush=True)
    for key, value in figures.items():
        for label, one in [(key, value)] if "median" in value else value.items():
            print(f"  {label:24s} {markdown.spread(one)}", flush=True)


def _keep(report: dict[str, Any], asked: argparse.Namespace) -> None:
    """Writes what there is by now: an hour's work is not lost to a power cut."""
    report["targets"] = targets.judge(report)
    for file, text in (
        (asked.json, lambda: json.dumps(report, indent=1) + "\n"),
        (asked.markdown, lambda: markdown.render(report)),
    ):
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text(), encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one round: a trial")
    parser.add_argument("--only", nargs="+", metavar="WORK[/PEER]", help="patterns; see --list")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--resume", action="store_true", help="go on with the work in --json FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write tables for the docs")
    parser.add_argument("--list", action="store_true", help="print what --only may name")
    return parser


if __name__ == "__main__":
    main()
