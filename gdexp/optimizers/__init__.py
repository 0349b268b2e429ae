"""Optimizers by name: optax's own, and one file each where optax's factory does not fit.

A card in `conf/optimizer/` names the arguments. Floats are numbers: each may be an axis of a sweep
and reaches the factory as a traced scalar, without exception. Ints, bools and texts are structure:
they choose the program. A null stands where optax does without the argument; a float in its place
is a number again.

A file here, `NAME.py` with a function `NAME`, comes before optax's factory of that name. It is
there for one of three reasons: an argument is a tuple (betas), not a plain number; optax branches
in Python on a number (`warmup_steps`); or the learning rate could not follow a schedule (sm3).
"""

import functools
import importlib
import importlib.util
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
import optax.contrib

from gdexp.base import UsageError, nearest

Factory = Callable[..., optax.GradientTransformation]


def factory(name: str) -> Factory:
    """The function that makes optimizer `name`: from this package, else optax, else its contrib.

    Raises `UsageError` if there is none.
    """
    if name.isidentifier() and importlib.util.find_spec(f"{__name__}.{name}"):
        return getattr(importlib.import_module(f"{__name__}.{name}"), name)
    for library in (optax, optax.contrib):
        found = getattr(library, name, None)
        if inspect.isfunction(found) or isinstance(found, functools.partial):
            return found
    known = {*dir(optax), *dir(optax.contrib)}
    raise UsageError(f"there is no optimizer {name}{nearest(name, sorted(known))}")


def takes_schedule(name: str) -> bool:
    """Whether optimizer `name` lets its learning rate vary from step to step.

    Its factory's annotation says so: `optax.ScalarOrSchedule`, not a plain number.
    """
    rate = inspect.signature(factory(name)).parameters.get("learning_rate")
    return rate is not None and optax.Schedule in typing.get_args(rate.annotation)


def draws(name: str) -> bool:
    """Whether optimizer `name` draws random numbers, from a run's own key."""
    return "key" in inspect.signature(factory(name)).parameters


def per_update(evaluations: Callable[[int], int]) -> Callable[[Factory], Factory]:
    """Says of a factory how often its updates evaluate the objective, or its gradient, by D."""

    def say(make: Factory) -> Factory:
        make.evaluations = evaluations
        return make

    return say


def build(
    name: str,
    structure: Mapping[str, Any],
    numbers: Mapping[str, jax.Array],
    *,
    key: jax.Array | None = None,
    box: tuple[Any, Any] | None = None,
    schedule: Callable[[jax.Array], jax.Array] | None = None,
) -> optax.GradientTransformationExtraArgs:
    """Makes an optimizer for one run; call it inside the batched function.

    Every optimizer is then called alike: `update(grad, state, x, value=, grad=, value_fn=)`.

    The numbers are used as they come. In float32, `1 - b2` is that of the float32 `b2`, where optax
    given a Python float rounds the float64 difference. In float64 the two are the same, but for one
    term of `adafactor` and `madgrad`, which Python floats leave in float32 and these raise.

    Args:
        name: as in `factory`.
        structure: the arguments that choose the program.
        numbers: the arguments that are numbers, scalars; they come before `structure`.
        key: this run's own random key (`jax.random.key`), for the optimizers that draw noise.
        box: the corners [D] of the objective's domain, for the optimizers that search it.
        schedule: from the count of updates done, 0 at first, to a factor on the learning rate.

    Raises:
        UsageError: a learning rate is missing, or cannot follow a schedule.

    >>> import jax.numpy as jnp
    >>> adam = build("adam", {"nesterov": False}, {"learning_rate": jnp.array(0.1)})
    >>> x, grad = jnp.array([3.0, -2.0]), jnp.array([1.0, 1.0])
    >>> step, state = adam.update(grad, adam.init(x), x, value=1.0, grad=grad, value_fn=jnp.sum)
    >>> [round(float(s), 3) for s in step]
    [-0.1, -0.1]
    """
    make = factory(name)
    parameters = inspect.signature(make).parameters
    arguments = {**structure, **numbers}
    if "learning_rate" in parameters and arguments.get("learning_rate") is None:
        # optax would leave out the scaling, and with it (adadelta, sgd) the minus sign
        raise UsageError(f"{name}.learning_rate must be a number")
    if schedule is not None:
        if not takes_schedule(name):
            raise UsageError(
                f"{name} has no learning rate that a schedule can change: leave it out"
            )
        rate = arguments["learning_rate"]
        arguments["learning_rate"] = lambda count: rate * schedule(count)
    if "key" in parameters:
        if key is None:
            raise ValueError(f"{name} draws random numbers and needs a key")
        arguments["key"] = key
    if "box" in parameters:
        arguments["box"] = box
    return optax.with_extra_args_support(make(**arguments))


def by_blocks(
    each: Mapping[str, optax.GradientTransformationExtraArgs], spans: Mapping[str, slice]
) -> optax.GradientTransformationExtraArgs:
    """An optimizer of its own for each block of a point.

    Args:
        each: by the names of the blocks.
        spans: where in a point [D] each lies, one after the other.

    Raises:
        UsageError: when used, if they evaluate the objective by themselves.
    """

    def value_fn(_):
        raise UsageError(
            "a learning rate for each block is not for optimizers that evaluate the objective by "
            "themselves: leave out grid.BLOCK.learning_rate"
        )

    def init(x):
        states = {block: each[block].init(x[span]) for block, span in spans.items()}
        if optax.tree.get_all_with_path(states, "num_linesearch_steps"):
            value_fn(x)
        return states

    def update(gradient, state, x, *, value, **_):
        updates, new = [], {}
        for block, span in spans.items():
            own = gradient[span]
            more = {"value": value, "grad": own, "value_fn": value_fn}
            update, new[block] = each[block].update(own, state[block], x[span], **more)
            updates.append(update)
        return jnp.concatenate(updates), new

    return optax.GradientTransformationExtraArgs(init, update)


def evaluations(name: str, dim: int, state: optax.OptState) -> jax.Array | int:
    """How many extra evaluations of the objective the last update of optimizer `name` spent.

    A line search tells by an array; of all others it is known before.

    It is the `num_linesearch_steps` that optax's line searches keep in their state. One step of the
    zoom line search (`lbfgs`) evaluates value and gradient, once, at one point on the line; one of
    the backtracking line search evaluates the value alone (and, with `store_grad`, one gradient at
    the end). The value and gradient at the current point, which the caller passes to `update`, are
    not among them; nor are they saved by the next update, although the last point a line search
    tried is, as a rule, the one it moves to.
    """
    always = getattr(factory(name), "evaluations", lambda dim: 0)(dim)
    searched = optax.tree.get(state, "num_linesearch_steps", default=None)
    return always if searched is None else searched
