"""Numbers, axes and distributions: what is typed is what runs, and nothing else gets through."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdexp.base import UsageError
from gdexp.config.values import axis, draw, flag, number, shown, whole
from gdexp.experiment import Draw

FINITE = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(1e-300, 1e300)
MANY_DIGITS = pytest.param(10**5000, id="many_digits")  # Python refuses to print it
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text()
    # what is nearly an axis or a distribution
    | st.from_regex(r"(log|lin|uniform|loguniform|normal)?(:?[-+.0-9einfa,\[\]]*){1,4}"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["geomspace", "linspace", "a"]), inner, max_size=2)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        *(("0.1", 0.1), ("1e-3", 0.001), (" 2 ", 2.0), (3, 3.0), (-1.5, -1.5)),
        *((np.float32(0.5), 0.5), (np.int64(7), 7.0), ("-0", 0.0)),
    ],
)
def test_a_number_is_read(given, expected):
    assert number("k", given) == expected


@pytest.mark.parametrize(
    "given",
    [
        *("abc", "", "1,2", "0x10", None, True, [1.0], {}, 1j, b"1", np.bool_(True)),
        *("nan", "inf", "1e400", math.inf, 10**400, MANY_DIGITS),
    ],
)
def test_what_is_no_finite_number_is_refused(given):
    with pytest.raises(UsageError, match=r"^k=.* is not (a number|finite)$"):
        number("k", given)


def test_bounds_of_a_number_are_told():
    assert number("k", 0, low=0) == 0
    with pytest.raises(UsageError, match="k=-1 is too small: give 0 or more"):
        number("k", -1, low=0)
    with pytest.raises(UsageError, match="k=0 is too small: give a number above 0"):
        number("k", "0", above=0)


@pytest.mark.parametrize("given", [1000, "1000", "1e3", 1e3, np.int32(1000)])
def test_1e3_is_a_whole_number(given):
    found = whole("k", given)
    assert (found, type(found)) == (1000, int)


@pytest.mark.parametrize("given", [1.5, "1.5", -1, 2**31, "1e30", MANY_DIGITS, True, "x", None])
def test_what_is_no_whole_number_in_range_is_refused(given):
    with pytest.raises(UsageError, match=r"^k="):
        whole("k", given)


@pytest.mark.parametrize("given", [0, 1, "true", None, []])
def test_a_flag_is_true_or_false(given):
    assert flag("k", True) is True
    with pytest.raises(UsageError, match="is neither true nor false"):
        flag("k", given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (0.1, [0.1]),
        ("0.1", [0.1]),
        ("0.01,0.1,0.5", [0.01, 0.1, 0.5]),
        ("[0.01, 0.1]", [0.01, 0.1]),
        ([0.01, "1e-1", 1], [0.01, 0.1, 1.0]),
        ("lin:0:1:3", [0.0, 0.5, 1.0]),
        ("lin:1:-1:3", [1.0, 0.0, -1.0]),
        ("log:1e-2:1:3", [0.01, 0.1, 1.0]),
        ("log:-1:-100:3", [-1.0, -10.0, -100.0]),
        ("log:2:2:1e0", [2.0]),
        ({"geomspace": [1, 100, 3]}, [1.0, 10.0, 100.0]),
        ({"linspace": [0, 1, 2]}, [0.0, 1.0]),
        (range(3), [0.0, 1.0, 2.0]),
        (np.array([1, 2]), [1.0, 2.0]),
        (np.array(0.5), [0.5]),
        (jnp.array([0.5, 0.25]), [0.5, 0.25]),
        (0, [0.0]),
    ],
    ids=str,
)
def test_every_form_of_an_axis_is_read(given, expected):
    found = axis("k", given)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-15)


@pytest.mark.parametrize(
    "given",
    [
        *("", "[]", [], {}, "abc", ["a"], [None], "0.1,,0.2", "0.1,", [[0.1]], np.zeros((2, 2))),
        *("nan", [math.inf], np.array([math.nan]), np.array(["a"]), np.array([1j])),
        *("log:0:1:5", "log:-1:1:5", "log:1:2", "lin:0:1:0", "lin:0:1:2.5", "lin:0:1:1e9"),
        *("lin:a:1:3", "lin:-1e308:1e308:3", "logg:1:2:3", "range(0,3)"),
        *({"logspace": [0, 1, 3]}, {"geomspace": [0.1, 1]}, {"linspace": "0:1:3"}),
        *({"geomspace": [1, 2, 3], "linspace": [1, 2, 3]}, None, True, 1j),
    ],
    ids=str,
)
def test_what_is_no_axis_is_refused_with_the_key(given):
    with pytest.raises(UsageError, match=r"^grid\.k"):
        axis("grid.k", given)


@given(st.lists(FINITE, min_size=1))
def test_any_list_of_finite_numbers_comes_back(values):
    text = ",".join(map(repr, values))
    for form in (values, text, f"[{text}]", np.array(values), tuple(values)):
        np.testing.assert_array_equal(axis("k", form), values)


@given(POSITIVE, POSITIVE, st.integers(2, 50), st.sampled_from(["log", "lin"]))
def test_the_ends_of_a_spaced_axis_are_exact(first, last, count, kind):
    found = axis("k", f"{kind}:{first!r}:{last!r}:{count}")
    assert (len(found), found[0], found[-1]) == (count, first, last)
    step = np.sign(last - first)
    assert (step * np.diff(found) >= 0).all(), "in order"


@given(ANYTHING)
def test_anything_else_is_a_usage_error(given):
    for read in (number, whole, flag, axis, draw):
        try:
            found = read("k", given)
        except UsageError:
            continue
        assert np.isfinite(np.asarray(found[1:] if isinstance(found, tuple) else 0)).all()
        if read is axis:
            assert found.ndim == 1 and len(found) and np.isfinite(found).all()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("loguniform:1e-3:0.5", Draw("loguniform", 1e-3, 0.5)),
        ("uniform:-1:1", Draw("uniform", -1, 1)),
        ("uniform:1:1", Draw("uniform", 1, 1)),
        ("normal:0.1:0", Draw("normal", 0.1, 0)),
    ],
)
def test_every_distribution_is_read(text, expected):
    assert draw("k", text) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("loguniforn:1e-3:1", "type one of loguniform"),
        ("uniform:1", "type one of loguniform"),
        (0.1, "type one of loguniform"),
        (["uniform", 0, 1], "type one of loguniform"),
        ("uniform:a:1", "k=a is not a number"),
        ("uniform:0:inf", "is not finite"),
        ("uniform:1:0", "the low end stands above"),
        ("uniform:-1e308:1e308", "too far apart"),
        ("loguniform:0:1", "needs a low end above 0"),
        ("loguniform:1e-300:1e300", "too far apart"),
        ("normal:0:-1", "is not negative"),
    ],
)
def test_what_is_no_distribution_is_refused(text, told):
    with pytest.raises(UsageError, match=told):
        draw("k", text)


def test_values_are_shown_in_yamls_words_and_short():
    assert [shown(v) for v in (None, True, False, "x")] == ["null", "true", "false", "x"]
    assert len(shown("x" * 1000)) == 60
    assert shown(10**5000) == "a number of very many digits"
