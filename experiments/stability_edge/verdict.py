"""Table, figure and check: see README.md."""

import functools

import numpy as np

SMOKE = (
    ["objective=himmelblau", "start.num=16", "grid.learning_rate=log:1e-3:1e-2:2"],
    [
        "objective.mlp.hidden=[4]",
        "grid.learning_rate=[0.1,0.2]",
        "stop.max_steps=400",
        "trace.every=400",
    ],
)


@functools.cache
def thresholds(found):
    """At each minimum: the rate found by bisection to 10⁻⁶, beside 2/L."""
    rows = found.thresholds().to_pandas()
    rows = rows[rows["minimum_id"].notna()].copy()
    rows["off"] = np.abs(rows["learning_rate"] / rows["theory"] - 1)
    return rows


@functools.cache
def walks(network):
    """Learning rate -> the recorded states of its run."""
    rates = dict(zip(*network.runs.select(["run", "learning_rate"]).columns, strict=True))
    rates = {run.as_py(): rate.as_py() for run, rate in rates.items()}
    traces = network.traces.to_pandas()
    return {rates[run]: rows for run, rows in traces.groupby("run")}


def table(functions, network):
    return [
        {
            "objective": name,
            "minima": str(len(rows)),
            "2/L": f"{rows['theory'].min():.6g} to {rows['theory'].max():.6g}"
            if len(rows) > 1
            else f"{rows['theory'].iloc[0]:.6g}",
            "found, off by at most": f"{rows['off'].max():.1e}",
        }
        for name, rows in thresholds(functions).groupby("objective", sort=False)
    ]


def draw(functions, network):
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(8.5, 3.4))
    rows = thresholds(functions)
    ends = [rows["theory"].min() / 2, rows["theory"].max() * 2]
    left.loglog(ends, ends, color="0.7", linewidth=0.8)
    left.loglog(rows["theory"], rows["learning_rate"], ".", markersize=4)
    left.set(xlabel="2/L at the minimum", ylabel="largest rate that stays there")
    for rate, walk in walks(network).items():
        [line] = right.plot(walk["step"], walk["sharpness"], ".-", label=f"{rate:g}", linewidth=0.9)
        right.axhline(2 / rate, color=line.get_color(), linestyle="--", linewidth=0.7)
    right.set(xlabel="update", ylabel="sharpness (dashed: 2 / learning rate)", ylim=(0, 22))
    right.legend(title="learning rate", frameon=False)
    return figure


def check(functions, network):
    rows = thresholds(functions)
    assert (rows["formula"] == "2/L").all()
    assert len(rows) >= len(functions.config["objective"])
    assert rows["off"].max() < 1e-6  # what the bisection tells
    for rate, walk in walks(network).items():
        assert np.allclose(walk["stability_limit"], 2 / rate)
        late = walk[walk["step"] >= 2000]
        if len(late):
            assert late["sharpness"].max() < 1.15 * 2 / rate  # it does not stay above
            assert late["f"].iloc[-1] < late["f"].iloc[0]  # and the loss goes on falling
    if len(walks(network)) == 4:
        for rate in (0.2, 0.25):
            steep = walks(network)[rate]
            steep = steep[steep["step"] >= 800]
            assert np.allclose(steep["sharpness"], 2 / rate, rtol=0.06)
            assert steep["f"].iloc[-1] < 0.75 * steep["f"].iloc[0]
        flat = walks(network)[0.1]["sharpness"].to_numpy()
        assert (np.diff(flat[5:]) > 0).all() and flat[-1] < 20  # still on its way up
