"""What linear theory says of gradient descent near a minimum: up to which rate, and how fast.

Near a minimum an update is linear, and each eigendirection of the Hessian goes by itself: with
curvature λ, learning rate η and momentum β the distances at successive steps follow

    gradient descent   d⁺ = (1 − ηλ) d
    heavy ball         d⁺ = (1 + β − ηλ) d − β d⁻                       (Polyak 1964)
    Nesterov           d⁺ = (1 + β)(1 − ηλ) d − β (1 − ηλ) d⁻           (Nesterov 1983)

so that a run converges at the largest modulus of the roots of z² = a z + b. That reaches 1 first at
z = −1, for the largest curvature L: at η = 2/L, 2(1 + β)/L and (2 + 2β)/((1 + 2β) L). The last as
in Cohen et al., Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability
(ICLR 2021), appendix B. All that is for 0 ≤ β < 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np


class Law(NamedTuple):
    """The linear theory of one update."""

    formula: str  # of the threshold
    source: str
    threshold: Callable[[float, float], float]  # (L, β) -> learning rate
    recurrence: Callable[[Any, float], tuple[Any, Any]]  # (ηλ, β) -> a, b of z² = a z + b


LAWS = {
    "gradient descent": Law(
        "2/L",
        "Cauchy 1847; Polyak 1964",
        lambda top, beta: 2 / top,
        lambda turn, beta: (1 - turn, 0 * turn),
    ),
    "heavy ball": Law(
        "2(1+β)/L",
        "Polyak 1964",
        lambda top, beta: 2 * (1 + beta) / top,
        lambda turn, beta: (1 + beta - turn, -beta + 0 * turn),
    ),
    "Nesterov": Law(
        "(2+2β)/((1+2β)L)",
        "Nesterov 1983; Cohen et al. 2021, appendix B",
        lambda top, beta: (2 + 2 * beta) / ((1 + 2 * beta) * top),
        lambda turn, beta: ((1 + beta) * (1 - turn), -beta * (1 - turn)),
    ),
}


def law(optimizer: str, structure: Mapping[str, Any], numbers: Mapping[str, float]) -> Law | None:
    """The theory of an optimizer with a constant learning rate, None where there is none.

    Args:
      optimizer: its name.
      structure: what of its card chooses the program.
      numbers: the numbers of its card.
    """
    if optimizer != "sgd":
        return None
    if "momentum" not in numbers:
        return LAWS["gradient descent"]
    return LAWS["Nesterov" if structure.get("nesterov") else "heavy ball"]


def rate(law: Law, learning_rate: float, momentum: float, eigenvalues: np.ndarray) -> float:
    """By what factor a step brings a run nearer in the long run: the largest modulus of the roots.

    Args:
      law: of the update.
      learning_rate: η.
      momentum: β.
      eigenvalues: of the Hessian [E].
    """
    a, b = law.recurrence(learning_rate * np.asarray(eigenvalues, float), momentum)
    root = np.emath.sqrt(a * a + 4 * b)
    return float(np.maximum(np.abs(a + root), np.abs(a - root)).max() / 2)


def observed_rate(step: np.ndarray, size: np.ndarray, floor: float) -> float | None:
    """The factor by which `size` [K] goes down a step, over the last two thirds of the steps.

    Where it oscillates, as with momentum, from the first of its peaks there to the last.

    Args:
      step: at which each was recorded [K].
      size: what goes down [K]: a distance, or the norm of a gradient.
      floor: what is not above this is rounding, and so is all that follows.

    Returns:
      None where there are fewer than three sizes to see it by.
    """
    small = np.flatnonzero(~(size > floor))
    upto = small[0] if len(small) else len(size)
    later = np.flatnonzero(step[:upto] >= step[upto - 1] / 3) if upto else np.empty(0, int)
    if len(later) < 3:
        return None
    peaks = later[1:-1]
    peaks = peaks[(size[peaks] > size[peaks - 1]) & (size[peaks] > size[peaks + 1])]
    ends = peaks if len(peaks) > 1 else later
    first, last = ends[0], ends[-1]
    return float((size[last] / size[first]) ** (1 / (step[last] - step[first])))
