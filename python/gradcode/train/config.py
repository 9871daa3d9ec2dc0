"""Everything that a training run is told, checked as far as it can be without looking at files."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

from gradcode._validate import check_dtype, check_int, check_number
from gradcode.codes import gaussian, harmonic, repetition
from gradcode.errors import CodeParameterError
from gradcode.schemes import Grouped, Uncoded, design
from gradcode.train.delays import Delays

__all__ = ["Code", "DType", "DelayKind", "OptimiserName", "Scheme", "TrainConfig"]

Scheme = Literal["grouped", "uncoded"]
Code = Literal["auto", "harmonic", "gaussian", "repetition"]
OptimiserName = Literal["nesterov", "gd"]
DelayKind = Literal["transient", "busy"]
DType = Literal["float32", "float64"]


@dataclass(frozen=True)
class TrainConfig:
    """Configuration of `gradcode train`; the command's help explains the fields.

    `stragglers` is None for the scheme's default: 1, or 0 where the scheme or a single worker tolerates none.
    `rate` is None for 1/(Lipschitz constant of the objective's gradient).

    Raises
    ------
    ValueError, TypeError
        Naming the field, the rule and the value.
    """

    workers: int = 6
    stragglers: int | None = None
    communication: int = 1
    scheme: Scheme = "grouped"
    code: Code = "auto"
    data: str | None = None
    optimiser: OptimiserName = "nesterov"
    iterations: int = 100
    rate: float | None = None
    regularisation: float = 1e-3
    seed: int = 0
    dtype: DType = "float64"
    chunks: int = 1
    delay: float = 0.0
    delayed: int = 0
    delay_kind: DelayKind = "transient"
    output: str | None = None

    def __post_init__(self) -> None:
        """Check every field, and that they fit each other."""
        check_int("workers", self.workers, 1)
        check_int("communication", self.communication, 1)
        check_int("iterations", self.iterations, 1)
        check_int("seed", self.seed, 0, 2**32 - 1)
        check_int("chunks", self.chunks, 1)
        check_number("regularisation", self.regularisation, 0)
        if self.rate is not None:
            check_number("rate", self.rate, 0, strict=True)
        check_dtype("dtype", self.dtype)
        for name, value, allowed in [
            ("scheme", self.scheme, get_args(Scheme)),
            ("code", self.code, get_args(Code)),
            ("optimiser", self.optimiser, get_args(OptimiserName)),
        ]:
            if value not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
        if (self.delay > 0) != (self.delayed > 0):
            raise ValueError(f"delay and delayed go together, got delay={self.delay:g} with delayed={self.delayed}")
        self.delays()
        self.gradient_code  # noqa: B018 - made here so that it is checked here

    @cached_property
    def gradient_code(self) -> Grouped:
        """The scheme; may warn of its load, once."""
        n, m = self.workers, self.communication
        if self.scheme == "uncoded":
            if self.stragglers or m != 1 or self.code != "auto":
                raise ValueError(
                    "scheme uncoded must have stragglers 0, communication 1 and code auto, "
                    f"got stragglers={self.stragglers or 0}, communication={m}, code={self.code}"
                )
            return Uncoded(n)
        s = self.stragglers if self.stragglers is not None else min(1, n - 1)
        check_int("stragglers", s, 0, n - 1, f"workers={n}")
        if s + m > n:
            raise CodeParameterError(
                f"stragglers + communication must be at most workers, got {s} + {m} = {s + m} with workers={n}"
            )
        if self.code == "repetition":
            if m != 1:
                raise CodeParameterError(f"code repetition must have communication 1, got {m}")
            return Grouped(n, repetition(s + 1))
        if self.code == "harmonic":
            return Grouped(n, harmonic(s + m, m))
        if self.code == "gaussian":
            return Grouped(n, gaussian(s + m, m, seed=self.seed))
        return design(n, s, m)

    def delays(self) -> Delays:
        """The straggling to inject."""
        # The field names of this class, where a message would use those of Delays.
        check_number("delay", self.delay, 0)
        check_int("delayed", self.delayed, 0, self.workers, f"workers={self.workers}")
        return Delays(self.workers, self.delay, self.delayed, self.delay_kind, self.seed)

    def to_json(self) -> str:
        """As text for `from_json`."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> TrainConfig:
        """The configuration that `to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        return cls(**values)

    def shared(self) -> dict[str, object]:
        """What all ranks must agree on."""
        values = dataclasses.asdict(self)
        del values["output"]  # the master's alone
        return values
