from typing import Any, SupportsIndex, TypeVar

import numpy.typing as npt

_Vector = npt.NDArray[Any]
_Vectors = list[_Vector] | tuple[_Vector, ...]
_Out = TypeVar("_Out", bound=npt.NDArray[Any])

def encode(
    coefficients: _Vector,
    gradients: _Vectors,
    out: _Out,
    accumulate: bool = False,
    num_threads: SupportsIndex | None = None,
) -> _Out: ...
def decode(
    weights: _Vector,
    messages: _Vectors,
    out: _Out,
    accumulate: bool = False,
    num_threads: SupportsIndex | None = None,
) -> _Out: ...
