"""Table, figure and check: see README.md."""

import numpy as np

AXES = "layer1.learning_rate", "layer2.learning_rate"
SMOKE = (
    ["grid.layer1.learning_rate=log:4:40:64", "grid.layer2.learning_rate=log:0.2:0.32:64"],
    ["grid.layer1.learning_rate=log:0.3:2:64", "grid.layer2.learning_rate=log:0.2:0.7:64"],
)


def leaves(found):
    """Where runs diverged [Y, X]: the share of those that did."""
    return found.map(*AXES, "diverged")


def measured(found):
    """The boundary between what diverged and what did not, by box counting."""
    from gdexp.analysis import boxes

    return boxes.boundary(leaves(found).value)


def table(rough, smooth):
    rows = []
    for found in (rough, smooth):
        edge, shown = measured(found), leaves(found)
        rows.append(
            {
                "layer 1": f"{shown.x[0]:g} to {shown.x[-1]:g}",
                "layer 2": f"{shown.y[0]:g} to {shown.y[-1]:g}",
                "networks": f"{found.manifest['runs']:,}",
                "diverged": f"{shown.value.mean():.1%}",
                "cells of the boundary": f"{edge.cells:,}",
                "dimension": f"{edge.dimension:.2f} ({edge.low:.2f} to {edge.high:.2f})",
            }
        )
    return rows


def draw(rough, smooth):
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(9, 3), width_ratios=(3, 3, 2))
    for left, found in zip(axes, (smooth, rough), strict=False):
        shown, loss = leaves(found), found.map(*AXES, "f")
        value = np.where(shown.value > 0.5, np.nan, np.log10(np.clip(loss.value, 1e-6, 1e2)))
        image = left.pcolormesh(shown.x, shown.y, value, rasterized=True, vmin=-6, vmax=2)
        left.set(xscale="log", yscale="log", facecolor="#ee6677", xlabel="rate of layer 1")
        left.minorticks_off()
        for place, values in ((left.set_xticks, shown.x), (left.set_yticks, shown.y)):
            ends = np.array([values[0], values[len(values) // 2], values[-1]])
            place(ends, [f"{end:.2g}" for end in ends])
    axes[0].set(ylabel="rate of layer 2")
    figure.colorbar(image, ax=axes[1], label="log₁₀ loss (red: diverged)")
    for name, found in (("left", smooth), ("middle", rough)):
        edge = measured(found)
        [line] = axes[2].loglog(edge.sizes, edge.counts, "o")
        fitted = edge.counts[0] * (edge.sizes / edge.sizes[0]) ** -edge.dimension
        told = f"{name}: {edge.dimension:.2f}"
        axes[2].loglog(edge.sizes, fitted, color=line.get_color(), label=told)
    axes[2].set(xlabel="side of a box, in cells", ylabel="boxes on the boundary")
    axes[2].legend(title="dimension", frameon=False, loc="lower left")
    return figure


def check(rough, smooth):
    for found in (rough, smooth):
        assert 0.1 < leaves(found).value.mean() < 0.9
    one, other = measured(rough), measured(smooth)
    assert one.dimension > other.dimension and one.cells > 2 * other.cells
    if rough.manifest["runs"] >= 65_536:
        assert one.low > 1.2 and one.dimension < 1.7
        assert other.low < 1 < other.high and 0.9 < other.dimension < 1.1
