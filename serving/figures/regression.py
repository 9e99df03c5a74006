"""Outcomes of two arms -> their difference, adjusted for what was known before assignment."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def adjusted_difference(
    y: Floats,
    treated: NDArray[np.bool_],
    design: Floats | None,
    clusters: NDArray[np.generic] | None,
) -> tuple[float, float]:
    """Estimate treated minus control and its standard error.

    Regression with centred covariates (n, k) and their products with treatment, which never
    loses precision in large samples (Lin 2013). Errors are HC2, or by cluster (CR1).
    """
    t = treated.astype(np.float64)
    parts = [np.ones((len(y), 1)), t[:, None]]
    if design is not None and design.shape[1]:
        centred = design - design.mean(axis=0)
        centred /= np.maximum(centred.std(axis=0), 1e-12)
        parts += [centred, centred * t[:, None]]
    x = np.hstack(parts)
    inverse = np.linalg.pinv(x.T @ x)
    beta = inverse @ (x.T @ y)
    residual = y - x @ beta
    if clusters is None:
        lever = np.einsum("ij,jk,ik->i", x, inverse, x)
        scores = x * (residual / np.sqrt(np.maximum(1 - lever, 1e-9)))[:, None]
    else:
        scores = _sum_by_cluster(x * residual[:, None], clusters)
        n_groups = len(scores)
        freedom = (n_groups / max(n_groups - 1, 1)) * (len(y) - 1) / max(len(y) - x.shape[1], 1)
        scores = scores * np.sqrt(freedom)
    covariance = inverse @ (scores.T @ scores) @ inverse
    return float(beta[1]), float(np.sqrt(max(covariance[1, 1], 0.0)))


def _sum_by_cluster(rows: Floats, clusters: NDArray[np.generic]) -> Floats:
    """Add the rows of each cluster: (n_clusters, k)."""
    _, code = np.unique(clusters, return_inverse=True)
    code = code.reshape(-1)
    return np.column_stack([np.bincount(code, weights=column) for column in rows.T])
