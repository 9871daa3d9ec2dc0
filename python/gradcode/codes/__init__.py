"""Linear codes over the real numbers: the mathematics, without workers or data."""

from gradcode.codes.additive import hamming_extended, identity, parity, product, repetition, simplex
from gradcode.codes.choice import default, icosahedron
from gradcode.codes.conditioning import Condition, Conditions
from gradcode.codes.families import (
    chebyshev_vandermonde,
    frequency,
    from_generator,
    gaussian,
    haar,
    harmonic,
    vandermonde,
)
from gradcode.codes.linear import LinearCode

__all__ = [
    "Condition",
    "Conditions",
    "LinearCode",
    "chebyshev_vandermonde",
    "default",
    "frequency",
    "from_generator",
    "gaussian",
    "haar",
    "hamming_extended",
    "harmonic",
    "icosahedron",
    "identity",
    "parity",
    "product",
    "repetition",
    "simplex",
    "vandermonde",
]
