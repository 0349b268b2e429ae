"""Table, figure and check: see README.md."""

import numpy as np

STUCK = 1.0  # loss above which a run that did not diverge has got nowhere
SMOKE = ["grid.learning_rate=[0.02,1.0,100.0]", "start.num=3", "stop.max_steps=450"]


def by_rate(found):
    """(learning rate, its runs) as pandas, rising."""
    yield from found.to_pandas().groupby("learning_rate")


def row(rate, runs):
    kept = runs["outcome"] != "diverged"
    stuck = kept & (runs["f"] > STUCK)
    right = runs["held_out_accuracy"]
    return {
        "learning rate": f"{rate:.3g}",
        "runs": str(len(runs)),
        "diverged": str((~kept).sum()),
        "loss above 1": str(stuck.sum()),
        "median loss": f"{runs['f'][kept].median():.3g}" if kept.any() else "–",
        "held out right, median": f"{right[kept].median():.1%}" if kept.any() else "–",
        "best": f"{right[kept].max():.1%}" if kept.any() else "–",
    }


def table(found):
    rows = [row(*each) for each in by_rate(found)]
    return rows[::3] if len(rows) > 12 else rows


def draw(found):
    from matplotlib import pyplot

    figure, both = pyplot.subplots(1, 2, figsize=(7.5, 3.2), sharey=True)
    for axes, value in zip(both, ("f", "held_out_accuracy"), strict=True):
        shown = found.map("learning_rate", "start", value)
        data = np.log10(np.maximum(shown.value, 1e-4)) if value == "f" else shown.value
        lost = found.map("learning_rate", "start").value == list(
            found.map("learning_rate", "start").names
        ).index("diverged")
        edges = np.append(shown.x, shown.x[-1] ** 2 / shown.x[-2])
        image = axes.pcolormesh(
            edges, np.arange(len(shown.y) + 1), np.where(lost, np.nan, data), rasterized=True
        )
        axes.set(xscale="log", xlabel="learning rate", facecolor="#ee6677")
        name = "log₁₀ loss" if value == "f" else "held out, right"
        figure.colorbar(image, ax=axes, label=f"{name} (red: diverged)")
    both[0].set(ylabel="initial network")
    return figure


def check(found):
    frame = found.to_pandas()
    kept = frame[frame["outcome"] != "diverged"]
    assert kept["held_out_accuracy"].max() >= 0.95
    largest = frame[frame["learning_rate"] == frame["learning_rate"].max()]
    lost = (largest["outcome"] == "diverged") | (largest["f"] > STUCK)
    assert lost.all()  # too large a step: away, or stuck
    medians = {rate: runs["held_out_accuracy"].median() for rate, runs in by_rate(found)}
    steep = frame[frame["learning_rate"] > 20]
    assert ((steep["outcome"] == "diverged") | (steep["f"] > STUCK)).all()
    assert all(median >= 0.94 for rate, median in medians.items() if 0.03 < rate <= 3)
    assert not any(median > 0.93 for rate, median in medians.items() if not 0.01 < rate < 9.9)
