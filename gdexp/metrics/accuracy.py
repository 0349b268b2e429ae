"""The share of the examples learned from that are told right."""

import numpy as np

from gdexp.metrics import Walk


def accuracy(walk: Walk) -> np.ndarray:  # [K]
    return walk.measured("accuracy")
