"""Maps are what their rows say, wherever there is an axis; boundaries have the dimensions known."""

import numpy as np
import pytest

import gdexp
from gdexp.analysis import boxes
from gdexp.base import UsageError

RATES = [0.005, 0.02]


@pytest.fixture(scope="module")
def found():
    return gdexp.sweep(
        "himmelblau",
        grid={"learning_rate": RATES, "momentum": [0.0, 0.5]},
        start={"grid": 12},
        stop_max_steps=300,
    )


@pytest.mark.parametrize("value", ["steps", "outcome", "converged", "minimum_id", "kind", "f"])
def test_a_place_shows_its_run(found, value):
    shown = found.map("x0_0", "x0_1", value, learning_rate=0.02, momentum=0.5)
    assert shown.value.shape == (12, 12) and (shown.runs == 1).all()
    frame = found.to_pandas().query("learning_rate == 0.02 and momentum == 0.5")
    for row in frame.itertuples():
        i = np.abs(shown.y - row.x0_1).argmin()
        j = np.abs(shown.x - row.x0_0).argmin()
        assert abs(shown.x[j] - row.x0_0) < 1e-6
        told = shown.value[i, j]
        if value == "converged":
            assert told == (row.outcome == "converged")
        elif shown.names:
            assert shown.names[told] == getattr(row, value)
        elif value == "minimum_id":
            assert told == (-1 if np.isnan(row.minimum_id) else row.minimum_id)
        else:
            assert told == float(getattr(row, value))


def test_what_shares_a_place_is_a_median_a_share_or_the_commonest(found):
    frame = found.to_pandas()
    steps = found.map("learning_rate", "momentum", "steps")
    share = found.map("learning_rate", "momentum", "converged")
    common = found.map("learning_rate", "momentum", "outcome")
    assert (steps.x.tolist(), steps.y.tolist()) == (RATES, [0.0, 0.5])
    assert (steps.runs == 144).all()
    for (rate, momentum), rows in frame.groupby(["learning_rate", "momentum"]):
        place = [0.0, 0.5].index(momentum), RATES.index(rate)
        assert steps.value[place] == rows.steps.median()
        assert share.value[place] == pytest.approx((rows.outcome == "converged").mean())
        counts = rows.outcome.value_counts()
        assert counts[common.names[common.value[place]]] == counts.max()


@pytest.mark.parametrize("value", ["steps", "outcome", "minimum_id"])
def test_a_thinned_map_is_every_so_manyth_place_of_the_whole(found, value):
    which = {"learning_rate": 0.02, "momentum": 0.5}
    whole = found.map("x0_0", "x0_1", value, **which)
    some = found.map("x0_0", "x0_1", value, most=5, **which)
    assert some.value.shape == (5, 5) and some.full == (12, 12) == whole.full
    across, down = (
        [list(all_of).index(one) for one in few]
        for few, all_of in ((some.x, whole.x), (some.y, whole.y))
    )
    assert (across[0], across[-1]) == (0, 11)
    np.testing.assert_array_equal(some.value, whole.value[np.ix_(down, across)])
    np.testing.assert_array_equal(some.runs, whole.runs[np.ix_(down, across)])
    starts = found.map("start", "learning_rate", "converged", most=7)
    assert starts.full == (2, 144) and starts.x.tolist() == [0, 24, 48, 72, 95, 119, 143]


def test_identities_are_never_averaged(found):
    shown = found.map("x0_0", "x0_1", "minimum_id")  # four runs a place, with minima 0 to 3
    assert shown.value.dtype.kind == "i" and set(np.unique(shown.value)) <= {-1, 0, 1, 2, 3}
    frame = found.to_pandas()
    at = frame[(frame.start == 17)].minimum_id.dropna().astype(int)
    counts = at.value_counts()
    best = counts[counts == counts.max()].index.min() if len(at) else -1
    j, i = divmod(17, 12)  # the last coordinate is the fastest
    assert shown.value[i, j] == best


def test_an_xarray_has_the_axes_for_dimensions(found):
    data = found.map("learning_rate", "start", "outcome", momentum=0.5).to_xarray()
    assert data.dims == ("start", "learning_rate") and data.name == "outcome"
    assert data.sel(learning_rate=0.005, start=0).item() in ("converged", "unfinished", "diverged")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("learning_rat", "start"), "no axis 'learning_rat': did you mean learning_rate"),
        (("start", "start"), "both are start"),
        (("start", "momentum", "step"), "no map of 'step': did you mean steps"),
    ],
)
def test_what_there_is_no_map_of_is_said(found, arguments, told):
    with pytest.raises(UsageError, match=told):
        found.map(*arguments)


@pytest.mark.slow
def test_a_map_is_of_one_group_and_of_no_drawn_number():
    two = gdexp.sweep(["parabola", "double_well"], draw={"learning_rate": "uniform:0.1:0.2"})
    with pytest.raises(
        UsageError, match="choose one objective and optimizer of objective='parabola'"
    ):
        two.map("start", "replicate")
    with pytest.raises(UsageError, match="is drawn anew"):
        two.map("learning_rate", "start", objective="parabola")


# -- boundaries --------------------------------------------------------------------------------

N = 512
Y, X = np.mgrid[:N, :N]


def cantor(u):
    kept = np.ones_like(u, bool)
    for _ in range(6):
        kept &= np.floor(3 * u) != 1
        u = 3 * u - np.floor(3 * u)
    return np.tile(kept, (len(kept), 1))


def newton(n):
    """Which root of z³ = 1 Newton's method comes to."""
    side = np.linspace(-2, 2, n)
    z = side + 1j * side[:, None]
    for _ in range(50):
        z = z - (z**3 - 1) / (3 * z**2)
    return np.abs(z[..., None] - np.exp(2j * np.pi * np.arange(3) / 3)).argmin(axis=-1)


@pytest.mark.parametrize(
    ("region", "dimension"),
    [
        (Y > 200, 1),
        (Y > X, 1),
        (Y > 0.37 * X + 50, 1),
        ((X - 250) ** 2 + (Y - 260) ** 2 < 180**2, 1),
        (np.random.default_rng(0).integers(0, 2, (N, N)), 2),
        (cantor((np.arange(729) + 0.5) / 729), 1 + np.log(2) / np.log(3)),
    ],
    ids=["line", "diagonal", "slope", "circle", "noise", "Cantor's dust times a line"],
)
def test_known_boundaries_have_their_dimension(region, dimension):
    found = boxes.boundary(region)
    assert found.low <= dimension <= found.high
    assert found.high - found.low < 0.25
    assert ("not told" in found.verdict) == (dimension == 1)


def test_a_fractal_is_told_from_a_line():
    found = boxes.boundary(newton(512))
    assert found.low > 1.3 and found.high < 1.55
    assert found.verdict.startswith("fractal")


def test_places_without_a_value_are_one_region():
    holes = np.where((X - 250) ** 2 + (Y - 260) ** 2 < 180**2, 1.0, np.nan)
    assert boxes.boundary(holes)[:4] == boxes.boundary(np.isnan(holes))[:4]
    with pytest.raises(UsageError, match="one region"):
        boxes.boundary(np.full((80, 80), np.nan))


@pytest.mark.parametrize("width", [0.02, 0.04, 0.1])
@pytest.mark.parametrize("angle", [0.0, 0.3, 0.7])
def test_smooth_lines_close_to_each_other_are_called_no_fractal(width, angle):
    across = (X * np.cos(angle) + Y * np.sin(angle)) / N
    found = boxes.boundary((across > 0.5) & (across < 0.5 + width))
    assert not found.verdict.startswith("fractal")


def test_counts_are_of_boxes_that_cover():
    found = boxes.boundary(Y > 200)
    assert found.cells == N and found.counts.tolist() == [N // s for s in found.sizes]


@pytest.mark.parametrize(
    ("region", "told"), [(np.zeros((80, 80)), "one region"), (Y[:63, :80], "63 places|80 × 63")]
)
def test_what_has_no_dimension_is_said(region, told):
    with pytest.raises(UsageError, match=told):
        boxes.boundary(region)
