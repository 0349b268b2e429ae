"""A report as Markdown tables, for the docs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench import workers
from bench.tasks import HETEROGENEOUS, HOMOGENEOUS

Report = Mapping[str, Any]


def render(report: Report) -> str:
    """The whole report."""
    parts = [
        "# The benchmark",
        _machine(report),
        _legend(report),
        "## Targets",
        targets(report["targets"]),
        *_contests(report, HETEROGENEOUS, "Runs that converge, diverge and run out"),
        *_contests(report, HOMOGENEOUS, "Runs of one length"),
        *_agreement(report),
        *_processes(report),
        *_scaling(report),
        *_skipped(report),
    ]
    return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """Rows of texts under a head; the first `words` columns are words, the others numbers."""
    lines = [head, ["---"] * words + ["--:"] * (len(head) - words), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float) -> str:
    """Three digits, and no exponent up to a million."""
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def spread(figure: Mapping[str, Any], scale: float = 1.0) -> str:
    """The median, and the least and greatest of the rounds."""
    median, low, high = (number(scale * figure[key]) for key in ("median", "low", "high"))
    return f"{median} ({low}–{high})"


def targets(judged: Sequence[Report]) -> str:
    """Every target, whether it was met and by how much."""
    rows = []
    for one in judged:
        bound = f"{'≥' if one['at_least'] else '≤'} {number(one['bound'])}"
        row = [one["against"], one["work"], bound]
        if one["met"] is None:
            rows.append([*row, "–", "not measured", ""])
            continue
        says = "met" if one["met"] else f"missed by {len(one['missed'])} of {one['of']}"
        rows.append([*row, f"{number(one['measured'])}", says, _by(one)])
    return table(["against", "work", "wanted", "worst", "", "by"], rows, words=6)


def _by(one: Report) -> str:
    """How far the figures are on either side of the bound."""
    if one["met"]:
        return f"×{number(one['factor'])}: {one['where']}"
    return "; ".join(f"{m['where']} {number(m['measured'])}" for m in one["missed"])


def _machine(report: Report) -> str:
    told = report["machine"]
    versions = ", ".join(f"{k} {v}" for k, v in told["versions"].items())
    return (
        f"{told['cpu']}, {told['cores']} cores ({', '.join(told['vectors'])}), "
        f"{told['memory_gib']} GiB, {told['system']}; {versions}; {told['compiler']}. "
        f"Medians of {report['rounds']} interleaved rounds, in brackets the least and the greatest."
    )


def _legend(report: Report) -> str:
    return "\n".join(f"- `{peer}`: {what}" for peer, what in report["contestants"].items())


def _contests(report: Report, kind: str, title: str) -> Iterator[str]:
    """gdexp's speed, and how many times it is each contestant's."""
    held = [c for c in report["contests"] if c["task"]["kind"] == kind and "useful_share" in c]
    peers = [
        peer
        for peer in workers.PEERS[1:]
        if any("ratio" in c["entries"].get(peer, {}) for c in held)
    ]
    if not held:
        return
    yield f"## {title}"
    yield (
        "Useful steps a second of gdexp, in millions, and how many times that is each other's. "
        "Useful share: of the steps of a batch that waits for its slowest run."
    )
    head = ["work", "runs", "useful share", "gdexp", *peers]
    rows = [_contest(contest, peers) for contest in held]
    yield table(head, rows)


def _contest(contest: Report, peers: Sequence[str]) -> list[str]:
    task, entries = contest["task"], contest["entries"]
    return [
        f"{task['case']}, {task['optimizer']}",
        f"{task['runs']:,}",
        f"{contest['useful_share']:.0%}",
        spread(entries["gdexp"]["steps_per_second"], 1e-6),
        *(
            spread(entries[peer]["ratio"]) if "ratio" in entries.get(peer, {}) else "–"
            for peer in peers
        ),
    ]


def _agreement(report: Report) -> Iterator[str]:
    """How many of the runs end alike, over all contests: the least share of any, and where."""
    rows = []
    for peer in workers.PEERS[1:]:
        found = [
            (c["name"], c["entries"][peer]["agreement"])
            for c in report["contests"]
            if "agreement" in c["entries"].get(peer, {})
        ]
        if found:
            keys = ("steps", "steps_close", "outcome", "f")
            rows.append([peer, *(_least(found, key) for key in keys)])
    if rows:
        yield "## The same work"
        yield (
            "The least share of runs, over all tables above, that end as in gdexp: after as many "
            "steps, after about as many (1 % and two), with the same outcome, at the same value. "
            "Where descents are chaotic (rastrigin at large rates) roundings decide where they end."
        )
        yield table(["", "steps", "about", "outcome", "f"], rows)


def _least(found: Sequence[tuple[str, Report]], key: str) -> str:
    shares = [(shares[key], name) for name, shares in found if key in shares]
    if not shares:
        return "–"
    share, name = min(shares)
    return f"{share:.0%}" + (f", {name}" if share < 0.95 else "")


def _processes(report: Report) -> Iterator[str]:
    found = report.get("processes", {})
    rows = [[name, "seconds", spread(s)] for name, s in found.get("seconds", {}).items()]
    rows += [[name, "ratio", spread(r)] for name, r in found.get("ratios", {}).items()]
    found = report.get("hydra", {})
    if "runs_per_second" in found:
        rows.append(["Hydra multirun", "runs a second", spread(found["runs_per_second"])])
        if ours := _paraboloid(report):
            times = number(ours / found["runs_per_second"]["median"])
            rows.append(["gdexp over it, of the same work", "ratio", times])
    for size, peak in report.get("memory", {}).get("mib", {}).items():
        rows.append([f"peak memory, {int(size):,} runs", "MiB", spread(peak)])
    rows += _spreading(report.get("spreading", {}))
    if rows:
        yield "## Whole processes"
        yield table(["what", "unit", "figure"], rows, words=2)


def _spreading(found: Report) -> list[list[str]]:
    """A long sweep and a short one, by who makes the tiles."""
    rows = [
        [f"{name}, a {length} sweep", "seconds", spread(seconds)]
        for length in ("long", "short")
        for name, seconds in found.get(length, {}).items()
    ]
    over = found.get("beyond_start_up", {})
    rows += [[f"{n} over local, but for its start-up", "ratio", spread(r)] for n, r in over.items()]
    return rows


def _paraboloid(report: Report) -> float | None:
    """gdexp's runs a second on the work that Hydra's jobs do."""
    for contest in report["contests"]:
        if contest["name"] == f"paraboloid.sgd.{HETEROGENEOUS}" and "useful_share" in contest:
            return contest["entries"]["gdexp"]["runs_per_second"]["median"]
    return None


def _scaling(report: Report) -> Iterator[str]:
    for series, contests in report.get("scaling", {}).items():
        rows = []
        for contest in contests:
            label = contest["name"] + (f", {contest['at']}" if contest["at"] is not None else "")
            for name, entry in contest["entries"].items():
                if "steps_per_second" not in entry:
                    continue
                speed = spread(entry["steps_per_second"], 1e-6)
                slow = f"{contest['outcomes']['unfinished']:.1%}"
                ours = spread(entry["ratio"]) if "ratio" in entry else "1"
                rows.append([label, name, slow, speed, ours])
        if rows:
            yield f"## By {series}"
            yield table(
                ["work", "", "run out", "million steps a second", "gdexp over it"], rows, words=2
            )


def _skipped(report: Report) -> Iterator[str]:
    reasons: dict[str, set[str]] = {}
    for contest in report["contests"]:
        for name, entry in contest["entries"].items():
            if "skipped" in entry:
                reasons.setdefault(f"{name}: {entry['skipped']}", set()).add(contest["name"])
    if reasons:
        yield "## Left out"
        yield "\n".join(
            f"- {why} ({len(names)} of the tables' rows)" for why, names in reasons.items()
        )
