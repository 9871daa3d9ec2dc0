"""The largest singular value of the training rows, from which the smoothness of every loss follows."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import svds

from gradcode.errors import DataError

__all__ = ["spectral_norm_squared"]

_MAX_VALUE = 1e100  # squares of sums of larger values overflow
_TOLERANCE = 1e-3


def spectral_norm_squared(X: sp.csr_array) -> float:
    """Return the square of the largest singular value of `X`, at most 0.1 % too large.

    A loss whose second derivative in the score is at most c has a gradient with Lipschitz constant c times this.
    The iteration approaches the value from below; its tolerance is added, so that a rate of one over the constant
    stays a safe one. Computed in float64 (for float32 rows on a copy); small arrays are done exactly.

    Parameters
    ----------
    X : scipy.sparse.csr_array
        All training rows.

    Returns
    -------
    float
        Zero where `X` has no non-zero element; the same for the same `X`, to the last bit.

    Raises
    ------
    DataError
        If values are so large that squares overflow.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> spectral_norm_squared(sp.csr_array(np.diag([1.0, 2.0])))
    4.0
    """
    X = X.astype(np.float64, copy=False)
    if not X.nnz:
        return 0.0
    largest_value = float(np.abs(X.data).max())
    if largest_value > _MAX_VALUE:
        raise DataError(
            f"the data's values must be at most {_MAX_VALUE:g} in size to be trained on, got {largest_value:g}"
        )
    if 1 in X.shape:  # one singular value, and svds wants at least two
        return float(X.data @ X.data)
    if X.shape[0] * X.shape[1] <= 10_000:  # the iteration would cost more than it saves
        return float(np.linalg.norm(X.toarray(), 2)) ** 2
    start = np.random.default_rng(0).standard_normal(min(X.shape))
    largest = float(svds(X, k=1, v0=start, tol=_TOLERANCE, return_singular_vectors=False)[0])
    return largest**2 * (1 + _TOLERANCE)
