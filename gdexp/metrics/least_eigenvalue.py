"""The least eigenvalue of the Hessian: below zero where f curves down in some direction."""

import numpy as np

from gdexp.metrics import Walk


def least_eigenvalue(walk: Walk) -> np.ndarray:
    return walk.eigenvalues[:, 0]
