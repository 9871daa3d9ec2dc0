"""What a run is told, whatever engine carries it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcode import kernels
from gradcode._validate import check_dtype, check_int, check_number
from gradcode.rounds.cluster import PATIENCE, Cluster
from gradcode.rounds.task import Gradient, Load
from gradcode.schemes import GradientCode

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """The arguments of a run, as the user gave them; `check` says whether they can be run."""

    main: Callable[[Cluster], Any]
    scheme: GradientCode
    gradient: Gradient
    gradient_size: int
    load: Load | None
    dtype: Any
    chunks: int
    seed: int
    goodbye_seconds: float
    patience: float = PATIENCE
    wire_dtype: Any = None

    @property
    def message_dtype(self) -> np.dtype[Any]:
        """Element type of the buffers of messages: uint16 where they are of bfloat16, which NumPy has not."""
        return kernels.message_dtype(self.dtype, self.wire_dtype)

    @property
    def wire_name(self) -> str | None:
        """The type of 16 bits that messages have; None where it is that of the gradients."""
        return kernels.wire_name(self.wire_dtype, self.dtype)

    def check(self) -> None:
        """Refuse what cannot be run, naming the argument, the rule and the value."""
        for name in ("main", "gradient"):
            if not callable(getattr(self, name)):
                raise TypeError(f"{name} must be callable, got {type(getattr(self, name)).__name__}")
        if self.load is not None and not callable(self.load):
            raise TypeError(f"data must be a callable that loads a subset, got {type(self.load).__name__}")
        if not isinstance(self.scheme, GradientCode):
            raise TypeError(f"scheme must be a GradientCode, got {type(self.scheme).__name__}")
        check_int("gradient_size", self.gradient_size, 1)
        check_dtype("dtype", self.dtype)
        kernels.wire_name(self.wire_dtype, self.dtype)
        check_int("chunks", self.chunks, 1)
        check_int("seed", self.seed, 0)
        check_number("goodbye_seconds", self.goodbye_seconds, 0)
        check_number("patience", self.patience, 0)
