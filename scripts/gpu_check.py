"""Checks gdexp on an accelerator, and measures it there: one command, one JSON file.

    python scripts/gpu_check.py --json benchmarks/gpu.json

Runs end as on CPU, within what bench/alike.py states; the same tiles give the same bits; gdexp
beside jit(vmap(while_loop)) and jit(vmap(scan)) on the same device; steps a second against the
device's arithmetic and memory; the number of lanes. Exit code 1 if runs end otherwise or the bits
differ. Works on CPU too.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import numpy as np
from bench import alike, ceilings, figures, machine, tasks
from bench.markdown import spread
from bench.peers import Given, gdexp, scan, while_loop
from bench.tasks import Task

from gdexp import devices, engine, plan, program
from gdexp.base import Ends, UsageError
from gdexp.plan import Tile

FUNCTIONS_HERE = ("paraboloid", "two_wells", "himmelblau", "rastrigin-2", "rosenbrock-2")
CHAOTIC = {"rastrigin-2.sgd"}  # most rates leap from well to well: only outcomes are compared
PIECES = 7  # tiles that the runs are cut into, so that they have an order
RUNS = 2**20  # of a contest on an accelerator: several times its lanes
# of a paraboloid sgd step: value 9, gradient 6, its norm 4, update 4
FLOPS = 23
PEERS = {"while_loop": while_loop, "scan": scan}


class Descents:
    """A task, compiled by gdexp for a kind of device."""

    def __init__(self, task: Task, kind: str, lanes: int | None = None):
        experiment = dataclasses.replace(gdexp.experiment(task), device=kind)
        self.plan = plan.make(experiment)
        self.engine = engine.Engine(experiment, self.plan)
        rule = program.lane_count if lanes is None else lambda *_: lanes
        with mock.patch.object(program, "lane_count", rule):
            self.program = self.engine.program(0)

    def run(self, tiles: list[Tile] | None = None) -> Ends:
        """The ends of all runs in their order; of the plan's own tiles unless told."""
        harvests = self.engine.run(self.plan.tiles() if tiles is None else tiles)
        done = sorted((h for h in harvests if h.ends is not None), key=lambda h: h.tile.first)
        return Ends(*(np.concatenate(column) for column in zip(*(h.ends for h in done))))  # noqa: B905

    def pieces(self) -> list[Tile]:
        [group] = self.plan.groups
        cuts = np.linspace(0, group.count, PIECES + 1).astype(int).tolist()
        return [Tile(i, 0, a, b - a) for i, (a, b) in enumerate(itertools.pairwise(cuts))]


def correctness(task: Task, kind: str) -> dict[str, Any]:
    """A device's runs beside those of CPU, and beside themselves."""
    name = f"{task.case}.{task.optimizer}"
    law, low, high = task.rate
    nudge = 1 + alike.NUDGE
    nudged = dataclasses.replace(task, rate=(law, low * nudge, high * nudge))
    here, cpu = Descents(task, kind), Descents(task, "cpu").run()
    tiles = here.pieces()
    ours = here.run(tiles)
    found = alike.compare(cpu, ours)
    usual = alike.compare(cpu, Descents(nudged, "cpu").run())
    failed = alike.complaints(found, usual, name in CHAOTIC)
    for what, again in (("again", tiles), ("in another order", tiles[::-1])):
        if columns := alike.different(ours, here.run(again)):
            failed.append(f"bits: the same tiles {what} differ in {', '.join(columns)}")
    return {"name": name, "agreement": found, "nudged_cpu": usual, "failed": failed}


def contest(task: Task, kind: str, rounds: int) -> dict[str, Any]:
    """gdexp and its peers on the device, in turn; each round begins with another."""
    ours, given = Descents(task, kind), gdexp.given(task)
    made = {name: peer.prepare(task, Given(*given), {}).run for name, peer in PEERS.items()}
    racing = [("gdexp", ours.run), *made.items()]
    steps = int(ours.run().steps.astype(np.int64).sum())
    for run in made.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name, _ in racing}
    for i in range(rounds):
        turn = i % len(racing)
        for name, run in racing[turn:] + racing[:turn]:
            seconds[name].append(timed(run))
    return {
        "name": task.name,
        "runs": task.runs,
        "useful_share": steps / (task.runs * task.max_steps),
        "seconds": {name: figures.spread(spent) for name, spent in seconds.items()},
        "steps_per_second": figures.spread([steps / s for s in seconds["gdexp"]]),
        "ratio": {name: figures.ratio(seconds[name], seconds["gdexp"]) for name in made},
    }


def lane_figures(task: Task, kind: str, counts: list[int | None], rounds: int) -> list[dict]:
    """Steps a second by the number of lanes, interleaved; None is gdexp's own rule."""
    held = [Descents(task, kind, count) for count in counts]
    steps = [int(each.run().steps.astype(np.int64).sum()) for each in held]  # warms up, too
    seconds = np.array([[timed(each.run) for each in held] for _ in range(rounds)])
    return [
        {
            "lanes": each.program.lanes,
            "rule": count is None,
            "state_bytes": sum(leaf.nbytes for leaf in jax.tree.leaves(each.program.blank.run))
            // each.program.lanes,
            "steps_per_second": figures.spread((steps[i] / seconds[:, i]).tolist()),
        }
        for i, (each, count) in enumerate(zip(held, counts, strict=True))
    ]


def against(ceiling: dict[str, float], best: dict[str, Any]) -> dict[str, Any]:
    """What share of the ceilings the best number of lanes reaches."""
    moved, speed = 2 * best["state_bytes"], best["steps_per_second"]["median"]
    return {
        "lanes": best["lanes"],
        "flops_per_step": FLOPS,
        "bytes_per_step": moved,
        "share_of_arithmetic": speed * FLOPS / ceiling["flops_per_second"],
        "share_of_memory": speed * moved / ceiling["bytes_per_second"],
    }


def timed(run: Any) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def work(
    quick: bool, on_cpu: bool
) -> tuple[list[Task], list[Task], Task, list[int | None], tuple[int, int, int]]:
    """What to compare, what to contest, the task of the lanes, how many, the ceilings' size."""
    wanted = FUNCTIONS_HERE[::3] if quick else FUNCTIONS_HERE
    cases = [c for c in tasks.CASES if c.name in wanted]
    pairs = list(itertools.product(cases, ("sgd",) if quick else tasks.OPTIMIZERS))
    compared = [tasks.heterogeneous(*pair) for pair in pairs]
    both = [make(*pair) for pair in pairs for make in (tasks.heterogeneous, tasks.homogeneous)]
    even = tasks.homogeneous(tasks.CASES[0], "sgd")
    if quick:
        compared, both, even = [*map(tasks.tiny, compared)], both[:2], tasks.tiny(even)
        return compared, [*map(tasks.tiny, both)], even, [None, 2**7, 2**8], (2**12, 2**14, 2)
    even = dataclasses.replace(even, runs=2**21)
    lanes = [None, *(2**i for i in range(14, 21))]
    if on_cpu:
        return compared, both, even, lanes, (2**20, 2**24, 32)
    law, low, high = even.rate  # longer runs: the device is to be measured, not its feeding
    even = dataclasses.replace(even, max_steps=10_000, rate=(law, low / 10, high / 10))
    both = [dataclasses.replace(task, runs=RUNS) for task in both]
    return compared, both, even, lanes, (2**23, 2**28, 32)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("gpu", "cpu", "tpu"), default="gpu")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one round: a trial")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    asked = parser.parse_args()
    try:
        device, *others = devices.find(asked.device)
    except UsageError as error:
        print(error)
        return 2
    report: dict[str, Any] = {
        "quick": asked.quick,
        "rounds": 1 if asked.quick else 5,
        "commit": machine.commit(Path(__file__).parents[1]),
        "machine": machine.describe(),
        "device": {"kind": device.device_kind, "platform": device.platform},
        "devices": 1 + len(others),
        "tolerances": {k: getattr(alike, k) for k in ("X_CLOSE", "F_CLOSE", "NUDGE", "SLACK")},
    }
    print(device.platform, device.device_kind, flush=True)
    with jax.default_device(device), np.errstate(all="ignore"):
        measure(report, asked.device, *work(asked.quick, device.platform == "cpu"))
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print("all checks hold" if report["passed"] else "A CHECK FAILED")
    return 0 if report["passed"] else 1


def measure(report: dict, kind: str, compared, contested, even, lanes, sizes) -> None:
    """Fills the report, and prints each figure as it comes."""
    report["correctness"], report["contests"] = [], []
    for task in compared:
        report["correctness"].append(found := correctness(task, kind))
        shares = ", ".join(f"{k} {v:.4f}" for k, v in found["agreement"].items())
        print("FAILED" if found["failed"] else "ok", f"{found['name']}: {shares}")
        print(*(f"  {line}\n" for line in found["failed"]), sep="", end="", flush=True)
    report["passed"] = not any(each["failed"] for each in report["correctness"])
    for task in contested:
        report["contests"].append(found := contest(task, kind, report["rounds"]))
        for peer, ratio in found["ratio"].items():
            print(f"{found['name']}: gdexp's speed is {peer}'s × {spread(ratio)}", flush=True)
    report["ceilings"] = ceilings.measure(*sizes, report["rounds"])
    report["lanes"] = lane_figures(even, kind, lanes, report["rounds"])
    for row in report["lanes"]:
        speed, rule = spread(row["steps_per_second"], 1e-6), "(the rule)" if row["rule"] else ""
        print(f"{row['lanes']:9d} lanes: {speed} million steps a second {rule}")
    best = max(report["lanes"], key=lambda row: row["steps_per_second"]["median"])
    report["against_ceilings"] = found = against(report["ceilings"], best)
    print(f"of the arithmetic {found['share_of_arithmetic']:.2%}; of the memory", end=" ")
    print(f"{found['share_of_memory']:.2%}, if each step reads and writes a lane's run")


if __name__ == "__main__":
    sys.exit(main())
