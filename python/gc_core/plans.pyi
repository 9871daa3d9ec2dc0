from typing import Any, SupportsIndex, TypeVar

import numpy as np
import numpy.typing as npt

_Vector = npt.NDArray[Any]
_Vectors = list[_Vector] | tuple[_Vector, ...]
_Out = TypeVar("_Out", bound=npt.NDArray[Any])

class Plan:
    n_inputs: int
    parts: int
    gradient_size: int
    message_size: int
    dtype: np.dtype[Any]
    message_dtype: np.dtype[Any]
    num_threads: int | None

class EncodePlan(Plan):
    def __init__(
        self,
        coefficients: _Vector,
        gradient_size: int,
        message_size: int,
        dtype: npt.DTypeLike,
        message_dtype: npt.DTypeLike | None = None,
        num_threads: SupportsIndex | None = None,
    ) -> None: ...
    def encode(self, gradients: _Vector | _Vectors, out: _Out, accumulate: bool = False) -> _Out: ...

class DecodePlan(Plan):
    def __init__(
        self,
        weights: _Vector,
        gradient_size: int,
        message_size: int,
        dtype: npt.DTypeLike,
        message_dtype: npt.DTypeLike | None = None,
        num_threads: SupportsIndex | None = None,
    ) -> None: ...
    def decode(self, messages: _Vector | _Vectors, out: _Out, accumulate: bool = False) -> _Out: ...
