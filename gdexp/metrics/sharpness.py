"""The largest eigenvalue of the Hessian."""

import numpy as np

from gdexp.metrics import Walk


def sharpness(walk: Walk) -> np.ndarray:
    return walk.eigenvalues[:, -1]
