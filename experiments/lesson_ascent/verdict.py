"""Table, figure and check: see README.md."""

import numpy as np

OUTCOMES = ("converged", "cycling", "diverged", "unfinished")
SMOKE = ["start.num=8", "store.columns=[x0,x,outcome]"]


def columns(found):
    """Starts [N, 2], ends [N, 2] and outcomes [N]."""
    runs = found.runs
    points = (np.array(runs[name].to_pylist()) for name in ("x0", "x"))
    return *points, np.array(runs["outcome"].to_pylist())


def table(down, up):
    rows = []
    for name, found in (("minimize", down), ("maximize", up)):
        x0, x, outcome = columns(found)
        for sign, where in ((1, "sin y > 0"), (-1, "sin y < 0")):
            mine = sign * np.sin(x0[:, 1]) > 0
            rows.append(
                {
                    "direction": name,
                    "from": where,
                    "runs": str(mine.sum()),
                    **{name: str((outcome[mine] == name).sum()) for name in OUTCOMES},
                    "median distance from x = 0": f"{np.median(np.abs(x[mine, 0])):.3g}",
                }
            )
    return rows


def draw(down, up):
    from matplotlib import pyplot

    figure, both = pyplot.subplots(1, 2, figsize=(7, 3.6), sharey=True)
    x, y = np.meshgrid(np.linspace(-4, 4, 101), np.linspace(-7, 7, 101))
    for axes, found, name in zip(both, (down, up), ("minimize", "maximize"), strict=True):
        axes.pcolormesh(x, y, x**2 * np.sin(y), cmap="RdBu", alpha=0.6, rasterized=True)
        some = np.linspace(0, found.runs.num_rows - 1, 60).astype(int)
        for path in found.replay(*some.tolist()):
            axes.plot(*path.x.T, "k-", linewidth=0.6, rasterized=True)
            axes.plot(*path.x[-1], "k.", markersize=3)
        axes.set(title=f"direction={name}", xlabel="x", xlim=(-4, 4), ylim=(-7, 7))
    both[0].set(ylabel="y")
    return figure


def check(down, up):
    (x0, below, outcome), (_, above, other) = columns(down), columns(up)
    mirrored = np.lexsort((-x0[:, 1], x0[:, 0]))  # the runs by (x, −y); as they come: by (x, y)
    assert np.array_equal(x0[mirrored] * [1, -1], x0)
    assert np.array_equal(below[mirrored] * [1, -1], above)
    assert np.array_equal(outcome[mirrored], other)
    # what comes to rest does so on the line x = 0, where nothing is left to slide down
    rest = outcome == "converged"
    assert 0.1 < rest.mean() < 0.4
    assert np.abs(below[rest, 0]).max() < 1e-3
    assert (np.sin(below[rest, 1]) > 0).all() and (np.sin(x0[rest, 1]) > 0).all()
    # what cycles jumps by an odd multiple of π and back: an update moves y there by η x² cos y
    across = 0.01 * below[outcome == "cycling", 0] ** 2 / np.pi
    assert np.allclose(across, np.rint(across), rtol=0, atol=1e-6)
    assert (np.rint(across) % 2 == 1).all()
