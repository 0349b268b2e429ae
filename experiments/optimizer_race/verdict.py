"""Table, figure and check: see README.md."""

import math

TARGET = 1e-4
SMOKE = [
    "store.columns=[outcome,steps,evaluations,f,steps_to_target]",
    "objective=himmelblau",
    "optimizer=sgd,adam,random_search",
    "grid.learning_rate=log:3e-3:1:6",
    "start.num=32",
    "stop.max_steps=500",
]


def race(found):
    return found.race(target=TARGET).to_pylist()


def told(row):
    if math.isinf(row["expected_evaluations"]):
        return "never"
    ends = (row[f"expected_{end}"] for end in ("evaluations", "low", "high"))
    return "{:,.0f} ({:,.0f} to {:,.0f})".format(*ends)


def table(found):
    rows = race(found)
    objectives = list(dict.fromkeys(row["objective"] for row in rows))
    return [
        {
            "optimizer": name,
            **{
                objective: next(
                    told(row)
                    for row in rows
                    if (row["objective"], row["optimizer"]) == (objective, name)
                )
                for objective in objectives
            },
        }
        for name in dict.fromkeys(row["optimizer"] for row in rows)
    ]


def draw(found):
    from matplotlib import pyplot

    distribution = found.distribution(target=TARGET).to_pandas()
    objectives = distribution["objective"].unique()
    figure, axes = pyplot.subplots(1, len(objectives), figsize=(9.5, 3), sharey=True)
    colours = pyplot.get_cmap("tab10")
    names = list(found.config["optimizer"])
    for axis, objective in zip(axes, objectives, strict=True):
        mine = distribution[distribution["objective"] == objective]
        for optimizer, rows in mine.groupby("optimizer", sort=False):
            colour = colours(names.index(optimizer))
            axis.step(rows["evaluations"], rows["share"], where="post", color=colour)
        axis.set(
            title=objective, xscale="log", xlabel="evaluations", xlim=(3, 5000), ylim=(0, 1.02)
        )
    axes[0].set(ylabel=f"runs with f ≤ {TARGET:g}")
    lines = [pyplot.Line2D([], [], color=colours(i), label=name) for i, name in enumerate(names)]
    figure.legend(handles=lines, loc="outside lower center", ncols=len(names), frameon=False)
    return figure


def check(found):
    best = {row["objective"]: row["optimizer"] for row in race(found) if row["rank"] == 1}
    shares = {(row["objective"], row["optimizer"]): row["share"] for row in race(found)}
    assert best["himmelblau"] == "sgd"
    assert all(share == 0 for (_, name), share in shares.items() if name == "random_search")
    assert shares["himmelblau", "adam"] == 1
    if "rosenbrock" in best:
        assert shares["booth", "adam"] == 1
        assert best["booth"] == best["rosenbrock"] == "newton"
        assert shares["rosenbrock", "sgd"] < 0.1 < shares["rosenbrock", "adam"]
        newton = shares["himmelblau", "newton"], shares["beale", "newton"]
        assert max(newton) < 0.5  # it goes to saddles and maxima as well
