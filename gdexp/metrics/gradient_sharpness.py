"""The curvature along the gradient: gᵀHg / gᵀg."""

import numpy as np

from gdexp.metrics import Walk


def gradient_sharpness(walk: Walk) -> np.ndarray:
    return walk.experiment.sign * walk.curvature.along_gradient(walk.x, walk.own)
