"""Eigenvalues of a matrix that is only ever multiplied with vectors (Lanczos, by ARPACK)."""

from __future__ import annotations

from typing import Any

import numpy as np


def top(hessian: Any) -> np.ndarray:
    """The eigenvector [D] of the largest eigenvalue, by Lanczos."""
    from scipy.sparse.linalg import eigsh

    start = np.random.default_rng(0).normal(size=hessian.shape[0])  # the same each time
    return eigsh(hessian, k=1, which="LA", v0=start)[1][:, 0]


def extremes(hessian: Any) -> np.ndarray:
    """The least and the largest eigenvalue [2], by Lanczos; NaN where it does not converge."""
    from scipy.sparse.linalg import ArpackError, eigsh

    start = np.random.default_rng(0).normal(size=hessian.shape[0])  # the same each time
    try:
        return np.sort(eigsh(hessian, k=2, which="BE", v0=start, return_eigenvectors=False))
    except (ArpackError, ValueError):
        return np.full(2, np.nan)
