"""How far the run has come from its start."""

import numpy as np

from gdexp.metrics import Walk


def distance(walk: Walk) -> np.ndarray:
    return np.linalg.norm(walk.x - walk.x[0], axis=1)
