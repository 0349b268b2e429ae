"""Ways to find the slope: one file each, a frozen dataclass whose fields are its card."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

Function = Callable[[Any], Any]  # x [D] -> scalar


@dataclasses.dataclass(frozen=True)
class Gradient:
    """How value and gradient of a function are found at a point.

    Attributes:
      noise: the standard deviation of a normal error that each update adds to every component of
        the gradient, drawn from the run's own key. Tests and results know the gradient without it.
    """

    noise: float = 0.0

    formula: ClassVar[str]  # as a reader would write it

    def value_and_gradient(self, f: Function, x: Any) -> tuple[Any, Any]:
        """The value of `f` at `x` [D], and its gradient [D]."""
        raise NotImplementedError

    def evaluations(self, dim: int) -> int:
        """How often f is evaluated at a point of `dim` dimensions, beyond once."""
        return 0
