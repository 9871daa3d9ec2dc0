"""The largest singular value of the training rows, which determines the smoothness of every loss."""

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

    If the second derivative of a loss with respect to the score is at most c, its gradient has a Lipschitz constant
    of c times this value. The iteration approaches the value from below, so its tolerance is added: one over the
    constant stays a safe rate. The computation is in float64 (on a copy of float32 rows), and exact for small arrays.

    Parameters
    ----------
    X : scipy.sparse.csr_array
        All training rows.

    Returns
    -------
    float
        Zero if `X` has no non-zero element. The same `X` gives the same value, to the last bit.

    Raises
    ------
    DataError
        If values are so large that their squares would overflow.

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
    if 1 in X.shape:  # there is one singular value, and svds needs at least two
        return float(X.data @ X.data)
    if X.shape[0] * X.shape[1] <= 10_000:  # the iteration would take longer
        return float(np.linalg.norm(X.toarray(), 2)) ** 2
    start = np.random.default_rng(0).standard_normal(min(X.shape))
    largest = float(svds(X, k=1, v0=start, tol=_TOLERANCE, return_singular_vectors=False)[0])
    return largest**2 * (1 + _TOLERANCE)
