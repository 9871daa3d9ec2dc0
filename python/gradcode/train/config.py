"""Everything that a training run is told, checked as far as it can be without looking at files."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

from gradcode import kernels
from gradcode._validate import check_int, check_number
from gradcode.codes.names import named_for
from gradcode.datasets.source import Source
from gradcode.errors import CodeParameterError
from gradcode.linear.losses import LOSSES
from gradcode.linear.optimisers import OPTIMISERS
from gradcode.schemes import (
    CyclicRepetition,
    FractionalRepetition,
    GradientCode,
    Grouped,
    IgnoreStragglers,
    Uncoded,
    YeAbbe,
    design,
)
from gradcode.schemes.grouped import Prefer
from gradcode.schemes.ye_abbe import Nodes
from gradcode.train.delays import Delays

__all__ = ["Code", "DType", "DelayKind", "LossName", "OptimiserName", "Scheme", "TrainConfig", "WireDType", "variants"]

Scheme = Literal[
    "auto", "grouped", "fractional-repetition", "cyclic-repetition", "ye-abbe", "uncoded", "ignore-stragglers"
]
Code = Literal[
    "auto",
    "harmonic",
    "systematic",
    "gaussian",
    "haar",
    "repetition",
    "repeated-slices",
    "parity",
    "parity-product",
    "hamming-extended",
    "simplex",
]
# These send whole gradients.
_WHOLE = ("fractional-repetition", "cyclic-repetition", "uncoded", "ignore-stragglers", "repetition")
LossName = Literal["logistic", "multinomial", "squared"]
OptimiserName = Literal["nesterov", "gd", "lbfgs", "sgd", "adam"]
DelayKind = Literal["transient", "busy"]
DType = Literal["float32", "float64"]
WireDType = Literal["float16", "bfloat16"]

_BATCH = 256  # rows, of a stochastic optimiser


@dataclass(frozen=True)
class TrainConfig:
    """Configuration of `gradcode train`; the command's help explains the fields.

    `stragglers` is None for the scheme's default: 1, or 0 where the scheme or a single worker tolerates none.
    `nodes` is None for the published ones. `rate` is None for the optimiser's own choice, `batch` for 256 rows where
    the optimiser draws batches. `wire_dtype` is None for messages of the type of the data, which float32 must be with
    one of 16 bits.

    Raises
    ------
    ValueError, TypeError
        Naming the field, the rule and the value.
    """

    workers: int = 6
    stragglers: int | None = None
    communication: int = 1
    scheme: Scheme = "auto"
    code: Code = "auto"
    nodes: Nodes | None = None
    prefer: Prefer = "stability"
    source: Source = field(default_factory=Source)
    loss: LossName = "logistic"
    optimiser: OptimiserName = "nesterov"
    iterations: int = 100
    rate: float | None = None
    tolerance: float = 0.0
    batch: int | None = None
    regularisation: float = 1e-3
    start: str | None = None
    seed: int = 0
    chunks: int = 1
    wire_dtype: WireDType | None = None
    delay: float = 0.0
    delayed: int = 0
    delay_kind: DelayKind = "transient"
    output: str | None = None
    command: str = ""

    def __post_init__(self) -> None:
        """Check every field, and that they fit each other."""
        check_int("workers", self.workers, 1)
        check_int("communication", self.communication, 1)
        check_int("iterations", self.iterations, 1)
        check_int("seed", self.seed, 0, 2**32 - 1)
        check_int("chunks", self.chunks, 1)
        check_number("regularisation", self.regularisation, 0)
        check_number("tolerance", self.tolerance, 0)
        for name, value, allowed in [
            ("scheme", self.scheme, get_args(Scheme)),
            ("code", self.code, get_args(Code)),
            ("nodes", self.nodes, (None, *get_args(Nodes))),
            ("prefer", self.prefer, get_args(Prefer)),
            ("loss", self.loss, get_args(LossName)),
            ("optimiser", self.optimiser, get_args(OptimiserName)),
            ("wire_dtype", self.wire_dtype, (None, *get_args(WireDType))),
        ]:
            if value not in allowed:
                listed = ", ".join(choice for choice in allowed if choice is not None)
                raise ValueError(f"{name} must be one of {listed}, got {value!r}")
        if self.source.target != LOSSES[self.loss].target:
            raise ValueError(
                f"source.target must be {LOSSES[self.loss].target} for loss {self.loss}, got {self.source.target}"
            )
        self._check_optimiser()
        kernels.wire_name(self.wire_dtype, self.dtype)
        if (self.delay > 0) != (self.delayed > 0):
            raise ValueError(f"delay and delayed go together, got delay={self.delay:g} with delayed={self.delayed}")
        self.delays()
        # Made here so that it is checked here, and warns of what its messages would lose.
        self.gradient_code.decoder(1, self.dtype, wire_dtype=self.wire_dtype)

    def _check_optimiser(self) -> None:
        if self.rate is not None:
            check_number("rate", self.rate, 0, strict=True)
            if self.optimiser == "lbfgs":
                raise ValueError(
                    f"rate must be left out with optimiser lbfgs, which searches for it, got {self.rate:g}"
                )
        if OPTIMISERS[self.optimiser].stochastic:
            if self.tolerance:
                raise ValueError(
                    f"tolerance must be 0 with optimiser {self.optimiser}, whose gradients are noisy, "
                    f"got {self.tolerance:g}"
                )
            check_int("batch", _BATCH if self.batch is None else self.batch, 1)
        elif self.batch is not None:
            stochastic = " or ".join(sorted(name for name, optimiser in OPTIMISERS.items() if optimiser.stochastic))
            raise ValueError(f"batch needs optimiser {stochastic}, got batch={self.batch} with {self.optimiser}")

    @property
    def dtype(self) -> str:
        """Element type of data, parameters and gradients, and of messages without `wire_dtype`."""
        return self.source.dtype

    def batch_rows(self, n_rows: int) -> int | None:
        """Rows drawn in every round, out of `n_rows`; None where all are used."""
        if not OPTIMISERS[self.optimiser].stochastic:
            return None
        if self.batch is None:
            return min(_BATCH, n_rows)
        return check_int("batch", self.batch, 1, n_rows, f"{n_rows} training rows")

    @cached_property
    def gradient_code(self) -> GradientCode:
        """The scheme; may warn of its load, once."""
        n, m = self.workers, self.communication
        if self.nodes is not None and self.scheme != "ye-abbe":
            raise ValueError(f"nodes needs scheme ye-abbe, got nodes={self.nodes} with {self.scheme}")
        if self.scheme not in ("auto", "grouped"):
            for name, value, free in (("code", self.code, "auto"), ("prefer", self.prefer, "stability")):
                if value != free:
                    raise ValueError(f"{name} needs scheme grouped, got {name}={value} with {self.scheme}")
        if self.scheme in _WHOLE and m != 1:
            raise CodeParameterError(f"scheme {self.scheme} must have communication 1, got {m}")
        if self.scheme == "uncoded":
            if self.stragglers:
                raise ValueError(f"scheme uncoded must have stragglers 0, got {self.stragglers}")
            return Uncoded(n)
        s = self.stragglers if self.stragglers is not None else min(1, n - 1)
        check_int("stragglers", s, 0, n - 1, f"workers={n}")
        if s + m > n:
            raise CodeParameterError(
                f"stragglers + communication must be at most workers, got {s} + {m} = {s + m} with workers={n}"
            )
        match self.scheme:
            case "fractional-repetition":
                return FractionalRepetition(n, s)
            case "cyclic-repetition":
                return CyclicRepetition(n, s, seed=self.seed)
            case "ye-abbe":
                nodes = self.nodes or "published"
                return YeAbbe(n, s + m, s, m, nodes, seed=self.seed if nodes == "gaussian" else 0)
            case "ignore-stragglers":
                return IgnoreStragglers(n, s)
        if self.code == "auto":
            return design(n, s, m, prefer=self.prefer, placement=self.scheme)
        if self.code == "repetition" and m != 1:
            raise CodeParameterError(f"code repetition must have communication 1, got {m}")
        return Grouped(n, named_for(self.code, s, m, self.seed), prefer=self.prefer)

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
        return cls(**{**values, "source": Source(**values["source"])})

    def shared(self) -> dict[str, object]:
        """What all ranks must agree on."""
        values = dataclasses.asdict(self)
        for name in ("output", "start", "command"):  # the master's alone
            del values[name]
        return values


def variants(config: TrainConfig, names: Iterable[str], nodes: Nodes | None = None) -> dict[str, TrainConfig]:
    """The configurations that ``--compare`` runs in turn, by name, in the order given.

    Parameters
    ----------
    config : TrainConfig
        What all of them have in common; with an output directory, each gets one inside it.
    names : iterable of str
        Schemes, or codes of the grouped scheme. Uncoded tolerates no stragglers and shortens no messages, and
        repetition in its kinds shortens none: for them these fields of `config` are set aside.

    nodes : str, optional
        Of ye-abbe, where that is among them.

    Raises
    ------
    ValueError
        If there are fewer than two, one is not known or comes twice, or one does not fit `config`.

    Examples
    --------
    >>> configs = variants(TrainConfig(communication=2), ["uncoded", "repetition", "gaussian"])
    >>> for config in configs.values():
    ...     print(config.gradient_code)
    Uncoded(6)
    Grouped(6, <repetition [2, 1, 2]>, load=2)
    Grouped(6, <gaussian [3, 2, 2]>, load=3)
    """
    listed = [name.strip() for name in names]
    codes = [code for code in get_args(Code) if code != "auto"]
    known = (*get_args(Scheme), *codes)
    for position, name in enumerate(listed):
        if name not in known:
            raise ValueError(f"compare must be names from {', '.join(known)}, got {name!r}")
        if name in listed[:position]:
            raise ValueError(f"compare must not name a scheme twice, got {name!r}")
    if config.scheme != "auto":
        raise ValueError(f"scheme must be left out with compare, which names them, got {config.scheme}")
    if config.code != "auto" and "grouped" not in listed:
        raise ValueError(f"code needs grouped among the schemes to compare, got code={config.code}")
    if nodes is not None and "ye-abbe" not in listed:
        raise ValueError(f"nodes needs ye-abbe among the schemes to compare, got nodes={nodes}")
    if len(listed) < 2:
        raise ValueError(f"compare must name at least two schemes, got {', '.join(listed) or 'none'}")
    result = {}
    for name in listed:
        changes: dict[str, Any] = {"scheme": name, "code": "auto", "prefer": "stability"}
        if name in ("auto", "grouped"):
            changes |= {"code": config.code, "prefer": config.prefer}
        if name in codes:
            changes |= {"scheme": "grouped", "code": name, "prefer": config.prefer}
        if name == "uncoded":
            changes["stragglers"] = 0
        if name == "ye-abbe":
            changes["nodes"] = nodes
        if name in _WHOLE:
            changes["communication"] = 1
        if config.output is not None:
            changes["output"] = f"{config.output}/{name}"
        result[name] = dataclasses.replace(config, **changes)
    return result
