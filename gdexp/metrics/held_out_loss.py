"""The mean loss over the examples held out."""

import numpy as np

from gdexp.metrics import Walk


def held_out_loss(walk: Walk) -> np.ndarray:  # [K]
    return walk.measured("held_out_loss")
