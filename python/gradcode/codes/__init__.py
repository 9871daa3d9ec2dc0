"""Linear codes over the real numbers: the mathematics, without workers or data."""

from gradcode.codes.families import from_generator, gaussian, harmonic, repetition
from gradcode.codes.linear import LinearCode

__all__ = ["LinearCode", "from_generator", "gaussian", "harmonic", "repetition"]
