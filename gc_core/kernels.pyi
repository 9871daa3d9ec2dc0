from typing import Any, SupportsIndex, TypeVar

import numpy as np
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

class Plan:
    n_inputs: int
    parts: int
    gradient_size: int
    message_size: int
    dtype: np.dtype[Any]
    message_dtype: np.dtype[Any]
    num_threads: int | None
    def nothing(self, arrays: object, out: _Out, accumulate: bool = False) -> _Out: ...

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

def level() -> str: ...
def levels() -> tuple[str, ...]: ...
def available_levels() -> tuple[str, ...]: ...
def force_level(name: str) -> None: ...
def num_threads() -> int: ...
def set_num_threads(count: SupportsIndex) -> None: ...
def threads_available() -> bool: ...
def threads_for(n_bytes: int, count: SupportsIndex | None = None) -> int: ...
