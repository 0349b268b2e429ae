"""The share of the examples held out that are told right."""

import numpy as np

from gdexp.metrics import Walk


def held_out_accuracy(walk: Walk) -> np.ndarray:  # [K]
    return walk.measured("held_out_accuracy")
