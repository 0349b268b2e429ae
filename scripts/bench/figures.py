"""Medians of interleaved rounds, and ratios with their spread."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any


def spread(values: Sequence[float]) -> dict[str, Any]:
    """The median of the rounds, the least and the greatest of them, and all of them."""
    return {
        "median": statistics.median(values),
        "low": min(values),
        "high": max(values),
        "rounds": list(values),
    }


def ratio(above: Sequence[float], below: Sequence[float], scale: float = 1.0) -> dict[str, Any]:
    """`scale` · above / below, round by round: what disturbs a round disturbs both."""
    return spread([scale * a / b for a, b in zip(above, below, strict=True)])
