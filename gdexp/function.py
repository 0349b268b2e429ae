"""A user's own function as an Objective: a formula, a function in a file, or a callable."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from gdexp import formula
from gdexp.base import Objective, UsageError, nearest

FILE = re.compile(r"(?P<path>.+\.py):(?P<function>[A-Za-z_]\w*)")


@dataclasses.dataclass(frozen=True)
class Function(Objective):
    """An objective made from `function(x [D], **parameters)`; its parameters are its numbers."""

    function: Callable[..., Any] = None  # type: ignore[assignment]
    dim: int = 0
    parameters: Mapping[str, float] = dataclasses.field(default_factory=dict)
    low: Any = -5.0
    high: Any = 5.0
    formula: str = ""
    source: str = "the user"

    def __call__(self, x):
        return self.function(x, **self.parameters)

    def start(self):
        """(3, …, 3): a function without facts begins where the lesson's paraboloid does."""
        return (3.0,) * self.dim

    @property
    def numbers(self):
        return dict(self.parameters)

    def with_numbers(self, numbers):
        return dataclasses.replace(self, parameters={**self.parameters, **numbers})


def from_formula(
    text: str,
    variables: Sequence[str] | None = None,
    parameters: Mapping[str, float] | None = None,
    **domain: Any,
) -> Function:
    """An objective from a formula such as `(x-1)**2 + a*y**2` with `parameters={"a": 4.0}`."""
    parsed = formula.parse(text, variables, tuple(parameters or {}))
    return Function(
        function=parsed,
        dim=len(parsed.variables),
        parameters=dict(parameters or {}),
        formula=parsed.text,
        **domain,
    )


def from_file(
    path: str,
    dim: int | None = None,
    parameters: Mapping[str, float] | None = None,
    **domain: Any,
) -> Function:
    """An objective from `./mine.py:f`. The file is run: naming it is the user's consent."""
    match = FILE.fullmatch(path or "")
    if not match:
        raise UsageError(f"objective.file.path={path} is not a function: type ./mine.py:f")
    file, name = Path(match["path"]), match["function"]
    if not file.is_file():
        raise UsageError(f"{file}: there is no such file: type objective=./mine.py:f")
    module = _load(file)
    function = getattr(module, name, None)
    if not callable(function):
        names = [n for n, v in vars(module).items() if inspect.isfunction(v)]
        raise UsageError(f"{file} has no function {name!r}{nearest(name, names)}")
    return from_callable(function, dim, parameters, **domain)


def from_callable(
    function: Callable[..., Any],
    dim: int | None = None,
    parameters: Mapping[str, float] | None = None,
    **domain: Any,
) -> Function:
    """An objective from `f(x)` of a vector [D] or a scalar, or from `f(x, y, ...)` of scalars.

    Keyword-only arguments with a number as default are its parameters.

    Raises:
      UsageError: the function cannot be traced by JAX, does not give one number, or takes a
        vector whose length nothing tells.
    """
    name = getattr(function, "__name__", "the function")
    arguments, own = _signature(function)
    given = dict(parameters or {})
    for key in given:
        if key not in own:
            raise UsageError(f"{name} has no keyword argument {key!r}{nearest(key, own)}")
    if arguments > 1 and dim not in (None, arguments):
        raise UsageError(f"{name} takes {arguments} numbers, the start has {dim}")
    scalars = arguments > 1
    if not scalars and dim in (None, 1):
        scalars = _gives_number(function, (jnp.float32(1),))
    if dim is None and not scalars:
        raise UsageError(
            f"{name} takes a vector of unknown length: give starting points, objective.file.dim=D, "
            f"or one argument per dimension, as in f(x, y)"
        )
    dim = dim if dim is not None else max(arguments, 1)
    adapted = (lambda x, **p: function(*x, **p)) if scalars else function
    _gives_number(adapted, (jnp.ones(dim, jnp.float32),), name)
    return Function(
        function=adapted, dim=dim, parameters={**own, **given}, formula=f"{name}(x)", **domain
    )


def digest(path: str) -> str:
    """The sha256 of the file of `./mine.py:f`: what reproduces a run checks it."""
    return hashlib.sha256(Path(FILE.fullmatch(path)["path"]).read_bytes()).hexdigest()


def _load(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"gdexp_user_{file.stem}", file)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's own code raises
        raise UsageError(f"{file} could not be run: {type(error).__name__}: {error}") from error
    return module


def _signature(function: Callable[..., Any]) -> tuple[int, dict[str, float]]:
    """How many positional arguments without a default, and the numbers among the keyword-only."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1, {}
    positional = [
        p
        for p in found
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty
    ]
    numbers = {
        p.name: float(p.default)
        for p in found
        if p.kind is p.KEYWORD_ONLY and isinstance(p.default, int | float)
    }
    return len(positional), numbers


def _gives_number(function: Callable[..., Any], x: tuple, name: str | None = None) -> bool:
    """Whether function(*x) can be traced and gives one real number; with a name, raises if not."""
    try:
        out = jax.eval_shape(function, *x)
        if getattr(out, "shape", None) == () and jnp.issubdtype(out.dtype, jnp.floating):
            return True
        problem = f"it gives {out}, not one number"
    except Exception as error:  # a user's function may raise anything
        problem = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    if name is None:
        return False
    raise UsageError(
        f"{name} is not a function JAX can differentiate: {problem}. Use jax.numpy (jnp.sin, not "
        "math.sin), and return one number"
    )
