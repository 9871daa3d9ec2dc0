"""The configuration of a training run, checked as far as possible without reading files.

A field that is an option of `gradcode train` has its help text here, in its type. The command derives its options from
these fields and those of `gradcode.datasets.source.Source`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from gradcode._options import Option, options_of
from gradcode._validate import check_int, check_number
from gradcode.codes.names import NAMES
from gradcode.datasets.source import Source
from gradcode.linear.losses import LOSSES
from gradcode.linear.optimisers import OPTIMISERS
from gradcode.schemes import GradientCode
from gradcode.schemes.grouped import Prefer
from gradcode.schemes.names import SCHEMES, Options, named_scheme
from gradcode.schemes.ye_abbe import Nodes
from gradcode.train.delays import DelayKind, Delays

__all__ = ["CODES", "SCHEME_PANEL", "TrainConfig", "variants"]

CODES = ("auto", *(name for name, code in NAMES.items() if code.for_groups))
"""Names of the codes of the grouped scheme."""

SCHEME_PANEL = "Scheme"
"""Heading of the options for the scheme."""

_OPTIMISATION = "Optimisation"
_DELAYS = "Straggling, injected for experiments"

_BATCH = 256  # rows of a batch, by default


def _absolute(path: Path) -> str:
    """Return a path as text that does not depend on the current directory."""
    return str(path.absolute())


@dataclass(frozen=True)
class TrainConfig:
    """The configuration of a training run.

    The help texts of the options explain the fields. Three fields are no options: `source` has options of its own,
    and `command` is the command line, for the report.

    Raises
    ------
    ValueError, TypeError
        Naming the field, the rule and the value.
    """

    workers: Annotated[int, Option("Workers n.", SCHEME_PANEL, default="{default}, or all ranks but the master's")] = 6
    stragglers: Annotated[
        int | None,
        Option(
            "Number of workers that may be late; any of them.",
            SCHEME_PANEL,
            default="1; 0 for a single worker or with --scheme uncoded",
        ),
    ] = None
    communication: Annotated[int, Option("Messages are this many times shorter than the gradient.", SCHEME_PANEL)] = 1
    scheme: Annotated[
        str,
        Option(
            "Gradient-coding scheme. auto takes grouped, or a cyclic scheme if uneven groups would compute much more.",
            SCHEME_PANEL,
            choices=tuple(SCHEMES),
        ),
    ] = "auto"
    code: Annotated[
        str,
        Option(
            "Code of the grouped scheme. auto takes the best known. See gradcode codes.", SCHEME_PANEL, choices=CODES
        ),
    ] = "auto"
    nodes: Annotated[
        Nodes | None, Option("Evaluation points of --scheme ye-abbe.", SCHEME_PANEL, default="published")
    ] = None
    prefer: Annotated[
        Prefer, Option("How groups decode: most accurately, or with the least work for the master.", SCHEME_PANEL)
    ] = "stability"
    source: Source = field(default_factory=Source)
    loss: Annotated[
        str,
        Option(
            "logistic for two classes, multinomial for several, squared for numbers.",
            _OPTIMISATION,
            choices=tuple(LOSSES),
        ),
    ] = "logistic"
    optimiser: Annotated[
        str,
        Option(
            "Nesterov's method, gradient descent, L-BFGS, or, with batches, stochastic gradient descent or Adam.",
            _OPTIMISATION,
            default="{default}, or the preset's",
            choices=tuple(OPTIMISERS),
        ),
    ] = "nesterov"
    iterations: Annotated[int, Option("Largest number of rounds.", _OPTIMISATION)] = 100
    tolerance: Annotated[
        float,
        Option(
            "Stop when the largest component of the gradient is at most this many times that of the first gradient.",
            _OPTIMISATION,
            default="{default:g}, which means never, or the preset's",
        ),
    ] = 0.0
    rate: Annotated[
        float | None,
        Option(
            "Length of the steps.",
            _OPTIMISATION,
            default="1 / (smoothness of the objective); 0.001 for adam; lbfgs has none",
        ),
    ] = None
    batch: Annotated[
        int | None,
        Option("Rows drawn in each round, with sgd and adam.", _OPTIMISATION, default=f"{_BATCH}, or all if fewer"),
    ] = None
    regularisation: Annotated[
        float,
        Option(
            "λ of λ/2·|w|², added to the sum of the losses.",
            _OPTIMISATION,
            default="{default:g}, or the preset's",
        ),
    ] = 1e-3
    start: Annotated[
        str | None,
        Option(
            "Start from these parameters: the parameters.npz of an earlier run.",
            _OPTIMISATION,
            type=Path,
            read=_absolute,
        ),
    ] = None
    seed: Annotated[int, Option("Seed of the data split, batches, random codes and delays.", _OPTIMISATION)] = 0
    wire_dtype: Annotated[
        Literal["float16", "bfloat16"] | None,
        Option(
            "Send messages in 16 bits. Data, parameters and gradients are then float32, and messages are rounded once. "
            "bfloat16 has the range of float32; float16 has three more bits, but ends at 65504.",
            SCHEME_PANEL,
        ),
    ] = None
    chunks: Annotated[
        int, Option("Compute each share in this many parts. A late worker can stop after each of them.", SCHEME_PANEL)
    ] = 1
    delay: Annotated[float, Option("Delay stragglers by this many seconds.", _DELAYS)] = 0.0
    delayed: Annotated[int, Option("Number of workers that straggle.", _DELAYS)] = 0
    delay_kind: Annotated[
        DelayKind,
        Option(
            "transient: in each round other workers, which stop once the round is over; "
            "busy: the same workers in all rounds, which cannot be interrupted.",
            _DELAYS,
        ),
    ] = "transient"
    output: Annotated[
        str | None,
        Option(
            "New directory for result.json, rounds.jsonl, parameters.npz, figures and report.html.",
            type=Path,
            read=_absolute,
        ),
    ] = None
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
        for name, declared in options_of(type(self)).items():
            value, choices = getattr(self, name), declared.choices
            if choices and value not in choices and value != declared.field_default:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
        if self.source.target != LOSSES[self.loss].target:
            raise ValueError(
                f"source.target must be {LOSSES[self.loss].target} for loss {self.loss}, got {self.source.target}"
            )
        self._check_optimiser()
        self.delays()
        if (self.delay > 0) != (self.delayed > 0):
            raise ValueError(f"delay and delayed go together, got delay={self.delay:g} with delayed={self.delayed}")
        # Making a decoder checks the types, and warns if messages would lose too many digits.
        self.gradient_code.decoder(1, self.dtype, wire_dtype=self.wire_dtype)

    def _check_optimiser(self) -> None:
        if self.rate is not None:
            check_number("rate", self.rate, 0, strict=True)
            if OPTIMISERS[self.optimiser].rate is None:
                raise ValueError(
                    f"rate must be left out with optimiser {self.optimiser}, which searches for it, got {self.rate:g}"
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
        """Element type of data, parameters and gradients."""
        return self.source.dtype

    def batch_rows(self, n_rows: int) -> int | None:
        """Return the size of a batch out of `n_rows` rows; None if every round uses all rows."""
        if not OPTIMISERS[self.optimiser].stochastic:
            return None
        if self.batch is None:
            return min(_BATCH, n_rows)
        return check_int("batch", self.batch, 1, n_rows, f"{n_rows} training rows")

    @cached_property
    def gradient_code(self) -> GradientCode:
        """The scheme. Making it may emit a warning about its load, once."""
        options = Options(self.code, self.prefer, self.nodes, self.seed)
        return named_scheme(self.scheme, self.workers, self.stragglers, self.communication, options)

    def delays(self) -> Delays:
        """Return the delays to inject."""
        # Check here, so that messages have the names of these fields and not those of Delays.
        check_number("delay", self.delay, 0)
        check_int("delayed", self.delayed, 0, self.workers, f"workers={self.workers}")
        return Delays(self.workers, self.delay, self.delayed, self.delay_kind, self.seed)

    def to_json(self) -> str:
        """Return the configuration as text, for `from_json`."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> TrainConfig:
        """Return the configuration that `to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        return cls(**{**values, "source": Source(**values["source"])})

    def shared(self) -> dict[str, object]:
        """Return the fields on which all ranks must agree."""
        values = dataclasses.asdict(self)
        for name in ("output", "start", "command"):  # only the master uses these
            del values[name]
        return values


def variants(config: TrainConfig, names: Iterable[str], nodes: Nodes | None = None) -> dict[str, TrainConfig]:
    """Return the configurations that ``--compare`` runs in turn, by name and in the order given.

    Parameters
    ----------
    config : TrainConfig
        What they have in common. If it has an output directory, each gets a directory inside it.
    names : iterable of str
        Schemes, or codes of the grouped scheme. Those that cannot shorten messages get communication 1, and "uncoded"
        gets 0 stragglers, whatever `config` says.
    nodes : str, optional
        Nodes of "ye-abbe", if that is among them.

    Raises
    ------
    ValueError
        If there are fewer than two names, a name is unknown or comes twice, or a scheme does not fit `config`.

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
    known = (*SCHEMES, *CODES[1:])
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
    return {name: _variant(config, name, nodes) for name in listed}


def _variant(config: TrainConfig, name: str, nodes: Nodes | None) -> TrainConfig:
    scheme, code = (name, config.code) if name in SCHEMES else ("grouped", name)
    family = SCHEMES[scheme]
    whole_gradients = family.whole_gradients or (name in NAMES and NAMES[name].whole_gradients)
    return dataclasses.replace(
        config,
        scheme=scheme,
        code=code if "code" in family.takes else "auto",
        prefer=config.prefer if "prefer" in family.takes else "stability",
        nodes=nodes if "nodes" in family.takes else None,
        stragglers=config.stragglers if family.tolerant else 0,
        communication=1 if whole_gradients else config.communication,
        output=None if config.output is None else f"{config.output}/{name}",
    )
