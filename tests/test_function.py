"""A user's own function: from a formula, a file or Python, or one message that says what to do."""

import math
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdexp import function
from gdexp.base import UsageError

HEAD = "import jax.numpy as jnp\n"


@pytest.fixture
def write(tmp_path):
    """Writes mine.py and gives the path of a function in it."""

    def write(text, name="f"):
        (tmp_path / "mine.py").write_text(text, encoding="utf-8")
        return f"{tmp_path / 'mine.py'}:{name}"

    return write


@pytest.mark.parametrize(
    ("f", "dim", "expected"),
    [
        (lambda x: x**2 + 1, 1, 10.0),
        (lambda x, y: x + 2 * y, 2, 9.0),
        (lambda a, b, c: a * b * c, 3, 27.0),
        (lambda x, /, y: x - y, 2, 0.0),
        (lambda x, y, power=2: (x + y) ** power, 2, 36.0),  # a default is no dimension
        (lambda x: jnp.where(x > 0, x, -x), 1, 3.0),
        (jnp.square, 1, 9.0),
    ],
)
def test_a_function_of_numbers_tells_its_dimensions(f, dim, expected):
    made = function.from_callable(f)
    assert (made.dim, made.start()) == (dim, (3.0,) * dim)
    assert float(made(jnp.full(dim, 3.0))) == expected


@pytest.mark.parametrize(
    ("f", "dim"),
    [(lambda x: jnp.sum(x**2), 3), (lambda x: x[0] * x[1], 2), (lambda x: x @ x, 1)],
)
def test_a_function_of_a_vector_needs_to_be_told(f, dim):
    made = function.from_callable(f, dim)
    assert made.dim == dim
    assert jax.grad(made)(jnp.ones(dim)).shape == (dim,)
    with pytest.raises(UsageError, match="takes a vector of unknown length: give starting points"):
        function.from_callable(f)


def test_the_wrong_number_of_dimensions_is_refused():
    with pytest.raises(UsageError, match="takes 2 numbers, not 3"):
        function.from_callable(lambda x, y: x + y, 3)


def test_keyword_only_numbers_are_parameters():
    def f(x, y, *, a=4, b=-1.0, flag=True, name="f"):
        return a * x + b * y if flag else x

    made = function.from_callable(f, parameters={"b": 2.0})
    assert made.numbers == {"a": 4.0, "b": 2.0}
    assert float(made(jnp.array([1.0, 10.0]))) == 24.0
    batch = jax.vmap(lambda a: made.with_numbers({"a": a})(jnp.ones(2)))(jnp.arange(3.0))
    assert batch.tolist() == [2.0, 3.0, 4.0], "traced"


def test_a_parameter_without_a_default_needs_a_value():
    def f(x, y, *, a):
        return a * (x + y)

    assert function.from_callable(f, parameters={"a": 2.0}).numbers == {"a": 2.0}
    with pytest.raises(UsageError, match=r"f needs a value for a: write a=1\.0"):
        function.from_callable(f)
    with pytest.raises(UsageError, match="f has no keyword argument 'b'"):
        function.from_callable(f, parameters={"b": 2.0})


def boolean_test(x, y):
    return x if x > y else y


@pytest.mark.parametrize(
    ("f", "told"),
    [
        (lambda x: undefined(x), "NameError: name 'undefined' is not defined"),  # noqa: F821
        (lambda x: math.sin(x), "asks for the value of a number"),
        (lambda x, y: float(x) + y, "asks for the value of a number"),
        (lambda x, y: np.sin(x) + y, "asks for the value of a number"),
        (boolean_test, "boolean_test is not a function JAX can differentiate: it asks"),
        (lambda x, y: undefined, "NameError: name 'undefined' is not defined"),  # noqa: F821
        (lambda x, y: jnp.stack([x, y]), r"it gives float32 of shape \(2,\), not one real number"),
        (lambda x, y: 3, "not one real number"),
        (lambda x, y: None, "it gives NoneType"),
        (lambda x, y: x + 1j * y, "it gives complex64"),
        (lambda x, y: x > y, "it gives bool"),
        (lambda: 3.0, "takes no point"),
        (lambda *x: sum(x), "takes no point"),
    ],
)
def test_what_cannot_be_descended_is_refused_with_what_to_write(f, told):
    with pytest.raises(UsageError, match=told):
        function.from_callable(f)


@pytest.mark.parametrize("domain", [{"low": (0.0,)}, {"high": (1.0, 1.0, 1.0)}])
def test_a_domain_has_one_number_or_one_per_dimension(domain):
    with pytest.raises(UsageError, match="the function takes 2: give one for all, or 2"):
        function.from_callable(lambda x, y: x + y, **domain)
    made = function.from_callable(lambda x, y: x + y, low=(0.0, -1.0), high=2.0)
    assert (made.space().low, made.space().high) == ((0.0, -1.0), (2.0, 2.0))


def test_a_formula_is_an_objective():
    made = function.from_formula("(x-1)**2 + a*y**2", parameters={"a": 4.0})
    assert (made.dim, made.numbers, made.formula) == (2, {"a": 4.0}, "(x-1)**2 + a*y**2")
    assert float(made(jnp.array([3.0, 1.0]))) == 8.0
    assert float(made.with_numbers({"a": 0.0})(jnp.array([3.0, 1.0]))) == 4.0


def test_formula_file_and_callable_agree(write):
    path = write("def f(x, y, *, a=4.0):\n    return (x-1)**2 + a*(y+1)**2 + x*y/2\n")
    x = jnp.array([0.3, -0.7])
    values = {
        float(jax.jit(lambda x, made=made: made(x))(x))
        for made in (
            function.from_formula("(x-1)**2 + a*(y+1)**2 + x*y/2", parameters={"a": 4.0}),
            function.from_file(path),
            function.from_callable(lambda x, y: (x - 1) ** 2 + 4 * (y + 1) ** 2 + x * y / 2),
        )
    }
    assert len(values) == 1


def test_a_file_may_use_what_files_use(write, tmp_path):
    (tmp_path / "beside.py").write_text("TWO = 2.0\n")
    path = write(
        "from __future__ import annotations\nimport dataclasses\nimport beside\n" + HEAD + "\n"
        "@dataclasses.dataclass\nclass Bowl:\n    a: float = beside.TWO\n\n"
        "def f(x, y):\n    return Bowl().a * (x**2 + y**2)\n"
    )
    before = list(sys.path)
    assert float(function.from_file(path)(jnp.ones(2))) == 4.0
    assert sys.path == before
    sys.modules.pop("beside")


def test_an_edited_file_is_read_anew_and_nothing_is_left_beside_it(write, tmp_path):
    for value in (1, 2, 3):  # as long, and as old to the second
        path = write(f"def f(x, y): return x + {value} * y\n")
        assert float(function.from_file(path)(jnp.ones(2))) == 1 + value
    assert [p.name for p in tmp_path.iterdir()] == ["mine.py"]


def test_the_digest_is_that_of_the_file(write):
    path = write("def f(x, y): return x + y\n")
    assert function.digest(path) == function.digest(path)
    assert function.digest(path) != function.digest(write("def f(x, y): return x - y\n"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def f(:\n", r"mine\.py could not be run: SyntaxError"),
        ("\n1/0\n", r"mine\.py, line 2, could not be run: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(5)\n", r"line 2, could not be run: SystemExit: 5"),
        ("import nothing_like_it\n", "ModuleNotFoundError"),
        ("x = 'not\0text'", "could not be run"),
        ("def g(x): return x\n", r"mine\.py has no function 'f': there are g"),
        ("def ff(x): return x\n", "has no function 'f'"),
        ("f = 3\n", "has no function 'f': there are none"),
        (
            HEAD + "def f(x): return jnp.nothing(x)\n",
            "f is not a function JAX can differentiate: AttributeError",
        ),
    ],
)
def test_a_file_that_does_not_work_is_refused(write, text, told):
    with pytest.raises(UsageError, match=told):
        function.from_file(write(text))


@pytest.mark.parametrize("path", ["./nothing.py:f", "mine.py", "mine:f", "", None, "mine.py:f g"])
def test_a_path_that_names_no_function_is_refused(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"type (objective=)?\./mine\.py:f"):
        function.from_file(path)


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "mine.py").mkdir()
    with pytest.raises(UsageError, match="there is no such file"):
        function.from_file(f"{tmp_path / 'mine.py'}:f")
