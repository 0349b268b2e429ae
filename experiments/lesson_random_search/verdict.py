"""Table, figure and check: see README.md."""

import math

import numpy as np

TARGETS = (1.0, 0.1, 0.01)
SMOKE = [
    "store.columns=[optimizer,outcome,steps_to_target]",
    "start.num=64",
    "stop.max_steps=2000",
    "objective.quadratic.dim=2",
]


def dimensions(found):
    return int(found.config["objective"]["quadratic"]["dim"])


def share(found, target):
    """The share of the box [−5, 5]ᴰ in which the bowl lies below a target: an ellipsoid's."""
    dim = dimensions(found)
    curvatures = np.geomspace(1.0, 10.0, dim) if dim > 1 else np.ones(1)
    ball = math.pi ** (dim / 2) / math.gamma(dim / 2 + 1)
    return ball * np.prod(np.sqrt(2 * target / curvatures)) / 10.0**dim


def reached(found, optimizer, target):
    """How many updates each run took to a target [N], infinite where it never came there."""
    place = TARGETS.index(target)
    rows = found.runs.to_pylist()
    taken = [row["steps_to_target"][place] for row in rows if row["optimizer"] == optimizer]
    return np.array([math.inf if steps is None else steps for steps in taken])


def told(values):
    middle = np.median(values)
    return f"{middle:,.0f}" if np.isfinite(middle) else "–"


def table(*found):
    return [
        {
            "D": str(dimensions(one)),
            **{
                f"random to {target:g}": f"{told(reached(one, 'random_search', target))} "
                f"({math.log(0.5) / math.log1p(-share(one, target)):,.0f})"
                for target in TARGETS
            },
            **{f"slope to {target:g}": told(reached(one, "sgd", target)) for target in TARGETS},
        }
        for one in found
    ]


def draw(*found):
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3.2))
    for one in found:
        steps = np.sort(reached(one, "random_search", 0.1))
        [line] = axes.step(
            np.maximum(steps, 1), np.arange(1, len(steps) + 1) / len(steps), label=dimensions(one)
        )
        tries = np.geomspace(1, 1e4, 200)
        theory = -np.expm1((tries + 1) * np.log1p(-share(one, 0.1)))
        axes.plot(tries, theory, "--", color=line.get_color(), linewidth=0.8)
    axes.set(xscale="log", xlim=(1, 1e4), xlabel="points tried", ylabel="runs with f ≤ 0.1")
    axes.legend(title="D", frameon=False)
    return figure


def check(*found):
    for one in found:
        most = one.config["stop"]["max_steps"]
        for target in TARGETS:
            steps = reached(one, "random_search", target)
            chance = -math.expm1((most + 1) * math.log1p(-share(one, target)))
            deviation = math.sqrt(chance * (1 - chance) / len(steps))
            assert abs(np.isfinite(steps).mean() - chance) <= 4 * deviation + 1e-9
            assert np.isfinite(reached(one, "sgd", target)).all()
    slope = [np.median(reached(one, "sgd", 0.01)) for one in found]
    assert max(slope) < 1.5 * min(slope) + 10  # hardly more in 8 dimensions than in 1
