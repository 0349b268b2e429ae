"""Table, figure and check: see README.md."""

import itertools

import numpy as np

from gdexp.objectives.linear_regression import LinearRegression

LOWEST = LinearRegression(noise=2.0).stationary()[0].f  # the loss of the best line
SMOKE = [
    "store.columns=[learning_rate,f,outcome]",
    "replicates=64",
    "grid.learning_rate=log:3e-3:0.1:4",
    "objective.linear_regression.batch_size=1,null",
]
EPOCH = 100


def size(found):
    return found.config["objective"]["linear_regression"]["batch_size"] or EPOCH


def curve(found):
    """Learning rates [n], the mean excess of the loss [n], and the share that diverged [n]."""
    runs = found.to_pandas()
    runs["excess"] = np.where(runs["outcome"] == "diverged", np.inf, runs["f"] - LOWEST)
    groups = runs.groupby("learning_rate")
    rates = np.array(sorted(groups.groups))
    lost = groups["outcome"].apply(lambda o: (o == "diverged").mean()).to_numpy()
    return rates, groups["excess"].mean().to_numpy(), lost


def table(*found):
    rows = []
    for one in found:
        rates, excess, lost = curve(one)
        kept = lost < 0.5
        slow = np.abs(np.log(rates / 0.01)).argmin()
        rows.append(
            {
                "batch size": str(size(one)) if size(one) < EPOCH else "all 100",
                f"excess at {rates[slow]:.3g}": f"{excess[slow]:.2g}",
                "largest rate that stays": f"{rates[kept].max():.3g}",
                "excess there": f"{excess[kept][-1]:.2g}",
                "excess / rate · size": f"{excess[slow] / rates[slow] * size(one):.3g}",
            }
        )
    return rows


def draw(*found):
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3.2))
    for one in found:
        rates, excess, lost = curve(one)
        name = f"{size(one)}" if size(one) < EPOCH else "all 100"
        axes.loglog(rates[lost < 0.5], np.maximum(excess, 1e-7)[lost < 0.5], "o-", label=name)
    axes.set(xlabel="learning rate", ylabel="loss above the lowest, mean", ylim=(1e-7, 1e3))
    axes.legend(title="batch size", frameon=False)
    return figure


def check(*found):
    sizes = [size(one) for one in found]
    assert sizes == sorted(sizes) and (sizes[0], sizes[-1]) == (1, EPOCH)
    curves = [curve(one) for one in found]
    rates = curves[0][0]
    settled = rates > 3e-3  # slower ones are still on their way after 2,000 updates
    for (_, small, lost), (_, large, _) in itertools.pairwise(curves):
        both = settled & (lost < 0.5)
        assert (small[both] > large[both]).all()  # a smaller batch leaves more
    full = curves[-1][1]
    assert (full[settled & (rates < 0.1)] < 1e-4).all()
    _, single, lost = curves[0]
    stays = settled & (lost == 0)
    assert (np.diff(single[stays]) > 0).all()  # and a larger rate leaves more
