"""The arguments of a run, the same for every engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import InitVar, dataclass, field
from typing import Any

from gradcode._validate import check_dtype, check_int, check_number
from gradcode.kernels import MessageType, message_type
from gradcode.rounds.cluster import Cluster
from gradcode.rounds.task import Gradient, Load
from gradcode.schemes import GradientCode

__all__ = ["RunPlan"]


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """The arguments of a run, checked when the plan is made. `gradcode.mpi.run` explains them.

    Parameters
    ----------
    dtype, wire_dtype : dtype
        As in `gradcode.mpi.run`. All other parameters become attributes.

    Attributes
    ----------
    main : callable
        Runs on the master.
    scheme : GradientCode
        The scheme.
    gradient : callable
        Runs on the workers.
    gradient_size : int
        Number of parameters, and of elements of a gradient.
    data : callable or None
        Loads the data of a chunk of a subset, on the workers.
    message_type : MessageType
        Made from the arguments `dtype` and `wire_dtype`.
    chunks : int
        Into how many parts each subset is cut.
    seed : int
        From which the seeds of tasks are made.
    goodbye_seconds : float
        How long the master waits at the end for workers that are still computing.
    patience : float
        See `gradcode.rounds.Cluster`.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used, naming the argument, the rule and the value.
    """

    main: Callable[[Cluster], Any]
    scheme: GradientCode
    gradient: Gradient
    gradient_size: int
    data: Load | None
    dtype: InitVar[Any]
    wire_dtype: InitVar[Any]
    chunks: int
    seed: int
    goodbye_seconds: float
    patience: float
    message_type: MessageType = field(init=False)

    def __post_init__(self, dtype: Any, wire_dtype: Any) -> None:
        for name in ("main", "gradient"):
            if not callable(getattr(self, name)):
                raise TypeError(f"{name} must be callable, got {type(getattr(self, name)).__name__}")
        if self.data is not None and not callable(self.data):
            raise TypeError(f"data must be a callable that loads a subset, got {type(self.data).__name__}")
        if not isinstance(self.scheme, GradientCode):
            raise TypeError(f"scheme must be a GradientCode, got {type(self.scheme).__name__}")
        check_int("gradient_size", self.gradient_size, 1)
        object.__setattr__(self, "message_type", message_type(check_dtype("dtype", dtype), wire_dtype))
        check_int("chunks", self.chunks, 1)
        check_int("seed", self.seed, 0)
        check_number("goodbye_seconds", self.goodbye_seconds, 0)
        check_number("patience", self.patience, 0)

    @property
    def message_size(self) -> int:
        """Number of elements of a message."""
        return self.scheme.message_size(self.gradient_size, self.message_type.gradient)
