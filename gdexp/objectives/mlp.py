"""A network of fully connected layers: handwritten digits, or whatever a file holds."""

import dataclasses
import functools
import itertools
import math
import numbers
from typing import Any

import jax
import jax.numpy as jnp

from gdexp import data
from gdexp.base import UsageError
from gdexp.learning import Learning, split

ACTIVATIONS = {"tanh": jnp.tanh, "relu": jax.nn.relu}
COSTS = ("softmax", "squared_error")
TASKS = ("classes", "numbers")


@dataclasses.dataclass(frozen=True)
class Mlp(Learning):
    """The mean cost of a network over examples of which some are held out, and a penalty l2.

    `hidden` has the widths of the layers between: [] is a linear model. The target is one of
    several classes, or a number (task=numbers). The cost is softmax cross entropy, or the squared
    error, a sum over the outputs: of classes these are to be 1 for the right one and 0 for others.
    """

    hidden: Any = (32,)
    activation: str = "tanh"
    cost: str = "softmax"
    task: str = "classes"
    data: str = "digits"  # or the path of a file .csv, .parquet or .npz
    target: str | None = None  # column of the file; None: the last
    standardize: bool = True  # features to mean 0 and deviation 1, by the examples learned from
    held_out: int | None = 5  # every so-manyth example is not learned from; None: none
    l2: float = 0.0  # of the weights' squares, halved

    formula = "mean(cost(Wₖ σ(… σ(W₁ s + b₁) …) + bₖ, target)) + l2 Σ|W|²/2"
    source = "a lesson function; digits: E. Alpaydin, C. Kaynak (UCI, 1998) by way of scikit-learn"
    low = -3.0
    high = 3.0

    def __post_init__(self):
        widths = self.hidden if isinstance(self.hidden, list | tuple) else (self.hidden,)
        if not all(isinstance(w, numbers.Integral) and w > 0 and w is not True for w in widths):
            raise UsageError(f"objective.mlp.hidden={list(widths)}: type widths, as in [32,16]")
        object.__setattr__(self, "hidden", tuple(map(int, widths)))
        for key, known in (("activation", ACTIVATIONS), ("cost", COSTS), ("task", TASKS)):
            if getattr(self, key) not in known:
                raise UsageError(
                    f"objective.mlp.{key}={getattr(self, key)} is not one of {', '.join(known)}: "
                    "type one of them (-m makes a sweep of each of several)"
                )
        if (self.task, self.cost) == ("numbers", "softmax"):
            raise UsageError(
                "softmax tells classes: of numbers type objective.mlp.cost=squared_error"
            )
        super().__post_init__()

    @property
    def initialiser(self):
        return "he" if self.activation == "relu" else "glorot"

    @property
    def dim(self):
        return sum(math.prod(shape) for shape in self.blocks().values())

    def blocks(self):
        rows, targets = self.arrays()
        widths = (rows.shape[1], *self.hidden, targets.shape[1])
        found = {}
        for i, shape in enumerate(itertools.pairwise(widths), 1):
            found |= {f"layer{i}.W": shape, f"layer{i}.b": shape[1:]}
        return found

    def arrays(self):
        return self._examples.learned

    def held_out_arrays(self):
        return self._examples.held_out

    @functools.cached_property
    def _examples(self):  # read once: what was planned is what is learned from
        classes = self.task == "classes"
        return data.examples(self.data, self.target, classes, self.standardize, self.held_out)

    def outputs(self, x, rows):
        """What the network gives at `x` [D] for examples [n, F]: [n, O]."""
        parts = split(x, self.blocks())
        for i in range(1, len(self.hidden) + 2):
            rows = rows @ parts[f"layer{i}.W"] + parts[f"layer{i}.b"][None]
            if i <= len(self.hidden):
                rows = ACTIVATIONS[self.activation](rows)
        return rows

    def losses(self, x, rows, targets):
        found = self.outputs(x, rows)
        if self.cost == "softmax":
            return jax.nn.logsumexp(found, axis=-1) - jnp.sum(found * targets, axis=-1)
        return jnp.sum((found - targets) ** 2, axis=-1)

    def penalty(self, x):
        weights = [w for w in split(x, self.blocks()).values() if w.ndim == 2]
        return self.l2 / 2 * sum(jnp.sum(w**2) for w in weights)

    def hits(self, x, rows, targets):
        if self.task == "numbers":
            return None
        return self.outputs(x, rows).argmax(axis=-1) == targets.argmax(axis=-1)

    def start(self):
        return (0.0,) * self.dim
