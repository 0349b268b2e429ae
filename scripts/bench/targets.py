"""What gdexp set out to reach, and whether a report reaches it: computed, never typed in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bench.tasks import HETEROGENEOUS, HOMOGENEOUS

MAIN = ("paraboloid", "two_wells", "rastrigin-2")
Report = Mapping[str, Any]
Figures = list[tuple[str, float]]  # where -> what was measured there


class Target(NamedTuple):
    """A bound on figures of a report; every one of them has to keep it."""

    against: str
    work: str
    bound: float
    figures: Callable[[Report], Figures]
    at_least: bool = True


def judge(report: Report) -> list[dict[str, Any]]:
    """Each target with what was measured, whether it was met and by what factor.

    `factor` is above 1 where the target was met: how far the worst figure is on the right side.
    `met` is None where nothing was measured.
    """
    return [_judged(target, target.figures(report)) for target in TARGETS]


def _judged(target: Target, figures: Figures) -> dict[str, Any]:
    told = {
        "against": target.against,
        "work": target.work,
        "bound": target.bound,
        "at_least": target.at_least,
    }
    if not figures:
        return told | {"met": None}
    factors = [
        (name, value, value / target.bound if target.at_least else target.bound / value)
        for name, value in figures
    ]
    name, value, factor = min(factors, key=lambda one: one[2])
    return told | {
        "met": factor >= 1,
        "measured": value,
        "where": name,
        "factor": factor,
        "of": len(factors),
        "missed": [{"where": n, "measured": v, "factor": f} for n, v, f in factors if f < 1],
    }


def ratios(report: Report, peer: str, wanted: Callable[[Report], bool]) -> Figures:
    """gdexp's speed over a contestant's, in the contests that are wanted."""
    return [
        (contest["name"], entry["ratio"]["median"])
        for contest in report["contests"]
        if wanted(contest) and "ratio" in (entry := contest["entries"].get(peer, {}))
    ]


def _every(contest: Report) -> bool:
    return True


def _main(contest: Report) -> bool:
    return contest["task"]["case"] in MAIN and contest["task"]["kind"] == HETEROGENEOUS


def _wasteful(contest: Report) -> bool:
    return _main(contest) and contest.get("useful_share", 1) < 0.5


def _kind(kind: str, optimizer: str = "") -> Callable[[Report], bool]:
    return lambda contest: (
        contest["task"]["kind"] == kind and contest["task"]["optimizer"].startswith(optimizer)
    )


def _two_wells(contest: Report) -> bool:
    return _kind(HETEROGENEOUS, "sgd")(contest) and contest["task"]["case"] == "two_wells"


def _mean(figures: Figures) -> Figures:
    """The geometric mean of the figures, as one."""
    if not figures:
        return []
    logs: Sequence[float] = [math.log(value) for _, value in figures]
    return [(f"geometric mean of {len(figures)}", math.exp(sum(logs) / len(logs)))]


def _process(name: str) -> Callable[[Report], Figures]:
    def figures(report: Report) -> Figures:
        found = report.get("processes", {}).get("ratios", {})
        return [(name, found[name]["median"])] if name in found else []

    return figures


def _memory(report: Report) -> Figures:
    found = report.get("memory", {})
    if "growth" not in found:
        return []
    few, many = list(found["mib"])[-2:]
    return [(f"{many} runs over {few}", found["growth"]["median"])]


def _spreading(report: Report) -> Figures:
    """What a sweep of a minute takes on a Ray cluster of the same cores, over one process."""
    found = report.get("spreading", {}).get("beyond_start_up", {})
    return [("ray", found["ray"]["median"])] if "ray" in found else []


def _devices(report: Report) -> Iterator[tuple[str, float]]:
    for contest in report.get("scaling", {}).get("devices", ()):
        entry = contest["entries"].get("gdexp[devices=1]", {})
        if "ratio" in entry and contest["cores"] == 2:
            yield contest["name"], entry["ratio"]["median"]


def _checks(report: Report) -> Figures:
    """What a whole sweep takes over what it takes without looking for cycles and stalls."""
    held = report.get("scaling", {}).get("checks_of_sweeps", ())
    entries = [(c["name"], c["entries"].get("gdexp[whole, unchecked]", {})) for c in held]
    return [(name, 1 / entry["ratio"]["median"]) for name, entry in entries if "ratio" in entry]


def _beside(peer: str, wanted: Callable[[Report], bool]) -> Callable[[Report], Figures]:
    return lambda report: ratios(report, peer, wanted)


LOOP, C = "jit(vmap(while_loop)), all cores", "hand-written C, as many cores"
TARGETS = (
    Target(LOOP, "main cases, under half useful", 5.0, _beside("while_loop", _wasteful)),
    Target(LOOP, "main cases, all", 1.2, _beside("while_loop", _main)),
    Target(
        LOOP, "main cases, mean", 9.0, lambda report: _mean(ratios(report, "while_loop", _main))
    ),
    Target("optimistix, vmapped", "all it can express", 30.0, _beside("optimistix", _every)),
    Target("torch, batched eager", "fixed steps", 10.0, _beside("torch", _kind(HOMOGENEOUS))),
    Target("torch, one run at a time", "heterogeneous", 1e4, _beside("torch_loop", _every)),
    Target(C, "sgd, heterogeneous", 0.5, _beside("c", _kind(HETEROGENEOUS, "sgd"))),
    Target(C, "two_wells, sgd, heterogeneous", 1.0, _beside("c", _two_wells)),
    Target("jit(vmap(scan))", "fixed steps", 0.95, _beside("scan", _kind(HOMOGENEOUS))),
    Target("importing", "+sweep=lr_grid, cold", 4.0, _process("lr_grid_cold / imports"), False),
    Target("importing hydra", "gdexp --help", 2.5, _process("help / hydra_import"), False),
    Target("10⁶ runs", "peak memory of 10⁷ runs", 1.1, _memory, False),
    Target("not looking for cycles and stalls", "time of a whole sweep", 1.1, _checks, False),
    Target("one CPU device", "two CPU devices", 1.8, lambda report: list(_devices(report))),
    Target("one process", "the same on Ray, but for its start-up", 1.1, _spreading, False),
)
