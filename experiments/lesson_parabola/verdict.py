"""Table, figure and check: see README.md."""

import numpy as np

MINIMUM = -1.5
SMOKE = ["grid.learning_rate=[0.01,0.5,1.0,1.01]"]


def error(row):
    """How far from the minimum a run ended."""
    return row["x"][0] - MINIMUM


def theory(row):
    """The same by the closed form: each update multiplies it by 1 − 2η."""
    return (1 - 2 * row["learning_rate"]) ** row["steps"] * (row["x0"][0] - MINIMUM)


def table(found):
    rows = [row for row in found.runs.to_pylist() if row["x0"] == [10.0]]
    other = [row for row in found.runs.to_pylist() if row["x0"] == [-10.0]]
    return [
        {
            "learning rate": f"{right['learning_rate']:g}",
            "updates": f"{right['steps']}",
            "error from 10": f"{error(right):.4g}",
            "(1 − 2η)ᵏ · 11.5": f"{theory(right):.4g}",
            "error from −10": f"{error(left):.4g}",
            "outcome": f"{right['outcome']}, {right['reason']}",
        }
        for right, left in zip(rows, other, strict=True)
    ]


def draw(found):
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3.2))
    for row in found.runs.to_pylist():
        if row["x0"] == [10.0] and row["learning_rate"] not in (0.001, 0.99):
            [path] = found.replay(row["run"])
            away = np.maximum(np.abs(path.x[:101, 0] - MINIMUM), 1e-9)
            line = "--" if row["learning_rate"] == 0.9 else "-"  # on top of that of 0.1
            axes.semilogy(path.step[:101], away, line, label=f"{row['learning_rate']:g}")
    axes.set(xlabel="update", ylabel="distance to the minimum", ylim=(1e-8, 1e2))
    axes.legend(title="learning rate", ncols=2, frameon=False)
    return figure


def check(found):
    for row in found.runs.to_pylist():
        if row["outcome"] in ("unfinished", "stalled"):
            assert abs(error(row) - theory(row)) < 1e-9 * (1 + abs(theory(row))), row
        expected = {0.5: "stalled", 1.0: "cycling", 1.01: "diverged"}
        assert row["outcome"] == expected.get(row["learning_rate"], row["outcome"])
    ends = [r["x"][0] for r in found.runs.to_pylist() if r["learning_rate"] == 0.01]
    assert np.allclose(ends, [-1.4999999806458753, -1.5000000143052226], rtol=0, atol=1e-12)
