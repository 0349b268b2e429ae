"""The length of the update from each state; the last state has none."""

import numpy as np

from gdexp.metrics import Walk


def update_norm(walk: Walk) -> np.ndarray:
    found = np.full(len(walk.x), np.nan)
    found[:-1] = np.linalg.norm(np.diff(walk.x, axis=0), axis=1)
    found[:-1][np.diff(walk.step) != 1] = np.nan
    return found
