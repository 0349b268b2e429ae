"""Table, figure and check: see README.md."""

import math

import numpy as np

L = 5 + math.sqrt(37) / 2  # the largest curvature: of the Hessian [[2, ½], [½, 8]]
SMOKE = ["stop.max_steps=600"]


def table(found):
    return [
        {
            "learning rate": f"{row['learning_rate']:g}",
            "over 2/L": f"{row['learning_rate'] * L / 2:.3f}",
            "outcome": row["outcome"],
            "updates": str(row["steps"]),
            "ends at": "({:.5g}, {:.5g})".format(*row["x"]),
            "f": f"{row['f']:.6g}",
        }
        for row in found.runs.to_pylist()
    ]


def draw(found):
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3.6))
    x, y = np.meshgrid(np.linspace(-3.5, 3.5, 141), np.linspace(-4, 3.6, 141))
    f = (x - 1) ** 2 + 4 * (y + 1) ** 2 + x * y / 2
    axes.contour(x, y, np.log(f - f.min() + 0.1), 14, colors="0.8", linewidths=0.7)
    for path in found.replay(*range(3)):
        rate = found.runs["learning_rate"][path.run].as_py()
        told = f"{rate:g}: {path.outcome}, {path.step[-1]} updates"
        axes.plot(*path.x[:100].T, ".-", markersize=4, linewidth=0.9, label=told)
    axes.set(xlim=(-3.5, 3.5), ylim=(-4, 3.6), xlabel="x", ylabel="y")
    axes.legend(frameon=False, loc="lower left")
    return figure


def check(found):
    slow, good, fast = found.runs.to_pylist()
    assert (slow["outcome"], slow["steps"]) == ("converged", 517)
    assert (good["outcome"], good["steps"]) == ("converged", 47)
    assert np.allclose(good["x"], [1.2698904, -1.0793692], rtol=0, atol=1e-6)
    assert (fast["outcome"], fast["reason"]) == ("diverged", "escaped")
    assert good["learning_rate"] < 2 / L < fast["learning_rate"]
