"""Table, figure and check: see README.md."""

import numpy as np

AXES = "layer1.learning_rate", "layer2.learning_rate"
SMOKE = [
    "grid.layer1.learning_rate=log:0.1:1000:64",
    "grid.layer2.learning_rate=log:0.01:100:64",
    "stop.max_steps=200",
]


def leaves(found):
    """Where runs diverged [Y, X]: the share of those that did."""
    return found.map(*AXES, "diverged")


def measured(found):
    """The boundary between what diverged and what did not, by box counting."""
    from gdexp.analysis import boxes

    return boxes.boundary(leaves(found).value)


def table(found):
    shares = found.summary["outcomes"]
    edge = measured(found)
    return [
        {
            "networks": f"{found.manifest['runs']:,}",
            **{name: f"{count:,}" for name, count in shares.items() if count},
            "cells of the boundary": f"{edge.cells:,}",
            "its dimension": f"{edge.dimension:.3f}",
            "95 % interval": f"{edge.low:.3f} to {edge.high:.3f}",
        }
    ]


def draw(found):
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(7.5, 3.6), width_ratios=(3, 2))
    shown, loss = leaves(found), found.map(*AXES, "f")
    value = np.where(shown.value > 0.5, np.nan, np.log10(np.maximum(loss.value, 1e-6)))
    image = left.pcolormesh(shown.x, shown.y, value, rasterized=True)
    left.set(xscale="log", yscale="log", facecolor="#ee6677")
    left.set(xlabel="learning rate of layer 1", ylabel="learning rate of layer 2")
    figure.colorbar(image, ax=left, label="log₁₀ loss (red: diverged)")
    edge = measured(found)
    right.loglog(edge.sizes, edge.counts, "o")
    fitted = edge.counts[0] * (edge.sizes / edge.sizes[0]) ** -edge.dimension
    right.loglog(edge.sizes, fitted, label=f"dimension {edge.dimension:.2f}")
    right.set(xlabel="side of a box, in cells", ylabel="boxes on the boundary")
    right.legend(frameon=False)
    return figure


def check(found):
    edge, shares = measured(found), found.summary["outcomes"]
    count = found.manifest["runs"]
    assert 0.1 < shares["diverged"] / count < 0.9
    if count >= 65_536:
        assert edge.low > 1.05 and edge.dimension < 1.9
