"""A user's own function as an Objective: a formula, a function in a file, or a callable."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import re
import sys
import traceback
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gdexp import formula
from gdexp.base import Objective, UsageError, nearest

FILE = re.compile(r"(?P<path>.+\.py):(?P<function>[A-Za-z_]\w*)")
UNTRACEABLE = (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError)


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

    def __post_init__(self):
        for key in ("low", "high"):
            given = getattr(self, key)
            if isinstance(given, tuple) and len(given) != self.dim:
                raise UsageError(
                    f"{key}={list(given)} has {len(given)} numbers, the function takes {self.dim}: "
                    f"give one for all, or {self.dim}"
                )

    def __call__(self, x):
        return self.function(x, **self.parameters)

    def start(self):
        """(3, …, 3): a function without facts begins where the lesson's paraboloid does."""
        return (3.0,) * self.dim

    @property
    def constants(self) -> tuple[float, ...]:
        """The numbers in a formula; of other functions nothing is known."""
        return getattr(self.function, "constants", ())

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
    members = _run(file)
    function = members.get(name)
    if not callable(function):
        names = [n for n, v in members.items() if inspect.isfunction(v)]
        hint = nearest(name, names) or f": there are {', '.join(names) or 'none'}"
        raise UsageError(f"{file} has no function {name!r}{hint}")
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
    arguments, numbers = _signature(function)
    if arguments == 0:
        raise UsageError(f"{name} takes no point: write it as {name}(x) or {name}(x, y)")
    for key in parameters or {}:
        if key not in numbers:
            raise UsageError(f"{name} has no keyword argument {key!r}{nearest(key, numbers)}")
    numbers |= parameters or {}
    if missing := [key for key, value in numbers.items() if value is None]:
        raise UsageError(f"{name} needs a value for {missing[0]}: write {missing[0]}=1.0 there")
    if arguments > 1 and dim not in (None, arguments):
        raise UsageError(f"{name} takes {arguments} numbers, not {dim}")
    scalars = arguments > 1 or (dim in (None, 1) and _takes_number(function, numbers, dim))
    if dim is None and not scalars:
        raise UsageError(
            f"{name} takes a vector of unknown length: give starting points, objective.file.dim=D, "
            f"or one argument per dimension, as in {name}(x, y)"
        )
    dim = dim if dim is not None else arguments
    adapted = (lambda x, **p: function(*x, **p)) if scalars else function
    if problem := _problem(adapted, numbers, (dim,)):
        raise _untraceable(name, problem)
    return Function(function=adapted, dim=dim, parameters=numbers, formula=f"{name}(x)", **domain)


def digest(path: str) -> str:
    """The sha256 of the file of `./mine.py:f`: what reproduces a run checks it."""
    return hashlib.sha256(Path(FILE.fullmatch(path)["path"]).read_bytes()).hexdigest()


def _run(file: Path) -> dict[str, Any]:
    """What a file defines. Its text is compiled anew: a cached one could be that of an older text,
    and would lie in a folder beside it."""
    module = types.ModuleType(f"gdexp_user_{file.stem}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module  # dataclasses look there for the names in annotations
    folder = str(file.parent.resolve())
    sys.path.insert(0, folder)  # what it imports may lie beside it
    try:
        exec(compile(file.read_bytes(), str(file), "exec"), vars(module))
    except (Exception, SystemExit) as error:  # whatever the user's own code raises
        raise UsageError(f"{_place(file, error)} could not be run: {_told(error)}") from error
    finally:
        if folder in sys.path:
            sys.path.remove(folder)
    return vars(module)


def _place(file: Path, error: BaseException) -> str:
    """The file, and the line in it that raised."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(file)]
    return f"{file}, line {lines[-1]}," if lines else str(file)


def _told(error: BaseException) -> str:
    """An error's kind and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _signature(function: Callable[..., Any]) -> tuple[int, dict[str, float | None]]:
    """How many positional arguments without a default, and the numbers among the keyword-only:
    their defaults, None where there is none."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1, {}
    positional = [
        p
        for p in found
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty
    ]
    defaults = {p.name: p.default for p in found if p.kind is p.KEYWORD_ONLY}
    return len(positional), {
        key: None if value is inspect.Parameter.empty else float(value)
        for key, value in defaults.items()
        if value is inspect.Parameter.empty
        or (isinstance(value, int | float) and not isinstance(value, bool))
    }


def _takes_number(
    function: Callable[..., Any], numbers: Mapping[str, float], dim: int | None
) -> bool:
    """Whether the one argument of a function is a number. Where nothing tells the dimensions, it
    must not take a vector as well: of sum(x**2) no one knows how long its x is.

    Raises:
      UsageError: it can be neither, whatever the dimensions.
    """
    alone = _problem(function, numbers, ())
    pair = _problem(function, numbers, (2,)) if dim is None else None
    if isinstance(alone, UNTRACEABLE) or (alone and pair and str(alone) == str(pair)):
        raise _untraceable(getattr(function, "__name__", "the function"), alone)
    return alone is None and (dim == 1 or pair is not None)


def _problem(
    function: Callable[..., Any], numbers: Mapping[str, float], shape: tuple[int, ...]
) -> Exception | None:
    """Why a function of an array of that shape gives no real number, None if it does."""
    point, *given = (jax.ShapeDtypeStruct(s, np.float32) for s in (shape, *((),) * len(numbers)))
    try:
        out = jax.eval_shape(function, point, **dict(zip(numbers, given, strict=True)))
    except Exception as error:  # a user's function may raise anything
        return error
    if getattr(out, "shape", None) == () and jnp.issubdtype(out.dtype, jnp.floating):
        return None
    kind = f"{out.dtype} of shape {out.shape}" if hasattr(out, "shape") else type(out).__name__
    return TypeError(f"it gives {kind}, not one real number")


def _untraceable(name: str, problem: Exception) -> UsageError:
    asks = "it asks for the value of a number (as math.sin, float and if do)"
    told = asks if isinstance(problem, UNTRACEABLE) else _told(problem)
    return UsageError(
        f"{name} is not a function JAX can differentiate: {told}. Use jax.numpy (jnp.sin, not "
        "math.sin; jnp.where, not if), and return one number"
    )
