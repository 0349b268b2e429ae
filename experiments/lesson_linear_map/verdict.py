"""Table, figure and check: see README.md."""

import numpy as np

PLAIN = "store.columns=[run,learning_rate,x,f0,f]"  # nobody asks what kind of point it is
SMOKE = ["grid.learning_rate=[0.01,0.13,0.135]", PLAIN], [PLAIN]
L = 15.0  # 2 · |v|²/4, the curvature along the example


def paths(first, second):
    """(name, learning rate, path) of the lesson's three descents."""
    places = {row["learning_rate"]: row["run"] for row in first.runs.to_pylist()}
    [true] = first.replay(places[0.01])
    yield "v @ W, its gradient", 0.01, true
    for row, path in zip(second.runs.to_pylist(), second.replay(0, 1), strict=True):
        name = "W @ x, 49.5 subtracted" if row["learning_rate"] > 0 else "W @ x, 49.5 added"
        yield name, row["learning_rate"], path


def below(path, target=1.3):
    """The first update after which the loss is at most `target`."""
    return next((int(k) for k, f in zip(path.step, path.f, strict=True) if f <= target), None)


def table(first, second):
    return [
        {
            "prediction, update": name,
            "learning rate": f"{rate:g}",
            "loss at the start": f"{path.f[0]:.7g}",
            "after 1": f"{path.f[1]:.8g}",
            "after 2": f"{path.f[2]:.8g}",
            "first below 1.30": str(below(path) or "never"),
            "at the end": f"{path.f[-1]:.4g}",
        }
        for name, rate, path in paths(first, second)
    ]


def draw(first, second):
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3.2))
    for name, rate, path in paths(first, second):
        axes.semilogy(path.step, np.maximum(path.f, 1e-8), label=f"{name} ({rate:g})")
    axes.axhline(1.25, color="0.6", linewidth=0.8)
    axes.annotate("1.25: all that one number can do", (302, 1.4), ha="right", color="0.4")
    axes.set(xlabel="update", ylabel="loss", ylim=(1e-6, 1e3))
    axes.legend(frameon=False, loc="lower right")
    return figure


def check(first, second):
    (_, _, true), (_, _, added), (_, _, subtracted) = paths(first, second)
    assert np.allclose(true.f[:3], [125.25, 90.493125, 65.38128], rtol=0, atol=1e-5)
    assert below(true) == 15
    for row in first.runs.to_pylist():
        assert (row["f"] < row["f0"]) == (row["learning_rate"] < 2 / L)
    assert np.allclose(added.f[:2], [109.41, 110.44205], rtol=0, atol=1e-5)
    assert (np.diff(added.f) > 0).all()
    assert below(subtracted) == 206
    assert abs(subtracted.f[206] - 1.291209) < 1e-6
    assert 1.25 <= subtracted.f.min() < 1.2501
