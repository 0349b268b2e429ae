"""Table, figure and check: see README.md."""

import numpy as np

TRIES = (1, 2, 3, 5, 8, 13)
SMOKE = ["start.num=2048"]


def global_minimum(found):
    """The lowest point at which runs ended."""
    return found.minima.to_pylist()[0]


def by_rate(found):
    """Learning rate -> whether each start found the global minimum [N]."""
    frame, best = found.to_pandas(), global_minimum(found)["minimum_id"]
    for rate, runs in frame.sort_values("run").groupby("learning_rate"):
        yield rate, (runs["minimum_id"] == best).fillna(False).to_numpy(bool)


def measured(hits, tries):
    """The share of as many tries, one after the other, of which one at least hit."""
    whole = len(hits) // tries * tries
    return hits[:whole].reshape(-1, tries).any(axis=1)


def table(found):
    return [
        {
            "learning rate": f"{rate:g}",
            "starts": f"{len(hits):,}",
            **{
                f"best of {n}": f"{measured(hits, n).mean():.4f} ({1 - (1 - hits.mean()) ** n:.4f})"
                for n in TRIES
            },
        }
        for rate, hits in by_rate(found)
    ]


def draw(found):
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3.2))
    tries = np.arange(1, 17)
    for rate, hits in by_rate(found):
        shares = [measured(hits, n).mean() for n in tries]
        [line] = axes.plot(tries, shares, "o", markersize=4, label=f"{rate:g}")
        axes.plot(tries, 1 - (1 - hits.mean()) ** tries, color=line.get_color(), linewidth=0.9)
    axes.set(xlabel="starts tried", ylabel="global minimum found", ylim=(0, 1.02))
    axes.legend(title="learning rate", frameon=False)
    return figure


def check(found):
    best = global_minimum(found)
    assert best["kind"] == "minimum"
    kinds = [m for m in found.minima.to_pylist() if m["kind"] == "minimum"]
    assert len(kinds) == 2 and kinds[0]["f"] < kinds[1]["f"]
    for _, hits in by_rate(found):
        share = hits.mean()
        assert 0.1 < share < 0.9
        for n in TRIES:
            each, expected = measured(hits, n), 1 - (1 - share) ** n
            deviation = np.sqrt(expected * (1 - expected) / len(each))
            assert abs(each.mean() - expected) < 4 * deviation + 1e-9, (n, each.mean(), expected)
