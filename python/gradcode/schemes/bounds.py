"""Bounds on the worst condition of random schemes, which hold with a given probability."""

from __future__ import annotations

import math

from gradcode._validate import check_number
from gradcode.codes import LinearCode
from gradcode.errors import CodeParameterError
from gradcode.schemes.base import GradientCode
from gradcode.schemes.grouped import Grouped
from gradcode.schemes.ye_abbe import YeAbbe

__all__ = ["condition_bound"]

# Chen and Dongarra (SIAM J. Matrix Anal. Appl., 2005): for a real Gaussian m × m matrix, m >= 2, and t >= m the
# condition number exceeds t with a probability of less than 6.414 / sqrt(2π) · m / t.
_CHEN_DONGARRA = 6.414 / math.sqrt(2 * math.pi)


def condition_bound(scheme: GradientCode, probability: float) -> float:
    """Return a bound that the worst condition of a random draw of this scheme exceeds with at most `probability`.

    Chen and Dongarra (2005) bound the condition of one Gaussian matrix; this is the union bound over all sets of
    survivors. For groups with a Gaussian code it is 2.559·m·C(d, s) / probability for each length of a code. For Ye and
    Abbe's random variant it is 2.559·((n − s)·C(n, s) + (n − d)·n) / probability, encoding included. The bound of a
    cyclic scheme grows with n; that of a grouped scheme depends on d and m alone.

    Parameters
    ----------
    scheme : GradientCode
        `Grouped` with `gradcode.codes.gaussian` codes, or `YeAbbe` with nodes "gaussian". The bound is for the
        condition numbers of the matrices that are inverted, over draws of the seed.
    probability : float
        Above 0, at most 1.

    Returns
    -------
    float
        The bound; 1 if there is nothing to invert.

    Raises
    ------
    CodeParameterError
        If the scheme is not random: `worst_condition` has its exact value.

    Examples
    --------
    >>> from gradcode import Grouped, YeAbbe, codes, condition_bound
    >>> round(condition_bound(Grouped(20, codes.gaussian(5, 2)), 0.5))
    102
    >>> round(condition_bound(YeAbbe(20, 5, 3, 2, "gaussian"), 0.5), -4)
    100000.0
    """
    if not isinstance(scheme, GradientCode):
        raise TypeError(f"scheme must be a GradientCode, got {type(scheme).__name__}")
    probability = check_number("probability", probability, 0, strict=True)
    if probability > 1:
        raise ValueError(f"probability must be above 0 and at most 1, got {probability!r}")
    if isinstance(scheme, Grouped) and all(_is_gaussian(code) for code in set(scheme.codes)):
        matrices = [
            (code.dimension, math.comb(code.length, code.dimension)) for code in set(scheme.codes) if code.dimension > 1
        ]
    elif isinstance(scheme, YeAbbe) and scheme.nodes == "gaussian":
        n, d, s = scheme.n_workers, round(scheme.load), scheme.stragglers
        matrices = [(size, count) for size, count in ((n - s, math.comb(n, s)), (n - d, n)) if size > 1]
    else:
        raise CodeParameterError(
            f"scheme must be made of Gaussian matrices, got {scheme!r}; "
            "scheme.worst_condition() gives its own worst condition"
        )
    if not matrices:
        return 1.0
    # The theorem holds for t >= m. The bound is that large, since there is at least one matrix of each size.
    return sum(_CHEN_DONGARRA * size * count for size, count in matrices) / probability


def _is_gaussian(code: LinearCode) -> bool:
    return bool(code.to_config()["code"] == "gaussian")
