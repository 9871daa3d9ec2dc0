"""Schemes by name, for command lines and configurations."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gradcode._validate import check_int
from gradcode.codes.names import NAMES, named_for
from gradcode.errors import CodeParameterError
from gradcode.schemes.base import GradientCode
from gradcode.schemes.cyclic import CyclicRepetition
from gradcode.schemes.design import Placement, design
from gradcode.schemes.grouped import FractionalRepetition, Grouped, Prefer, Uncoded
from gradcode.schemes.ignore import IgnoreStragglers
from gradcode.schemes.ye_abbe import Nodes, YeAbbe

__all__ = ["SCHEMES", "NamedScheme", "Options", "named_scheme"]


class Options(NamedTuple):
    """The options of a scheme beside its size.

    Attributes
    ----------
    code : str
        The code of each group: "auto", or one of `gradcode.codes.names.NAMES` (those that are `for_groups`).
    prefer : {"stability", "decoding"}
        See `gradcode.design`.
    nodes : str, optional
        See `gradcode.YeAbbe`. Default: the published ones.
    seed : int
        Seed of random schemes and codes.
    """

    code: str = "auto"
    prefer: Prefer = "stability"
    nodes: Nodes | None = None
    seed: int = 0


class NamedScheme(NamedTuple):
    """An entry of the table of schemes.

    Attributes
    ----------
    about : str
        One sentence about it.
    make : callable
        Makes the scheme from the number of workers n, the stragglers s, the communication reduction m, and `Options`.
    takes : tuple of str
        Those of the options `code`, `prefer` and `nodes` that it takes.
    whole_gradients : bool
        Whether its messages are as long as a gradient: m must be 1.
    tolerant : bool
        Whether it tolerates stragglers: otherwise s must be 0.
    """

    about: str
    make: Callable[[int, int, int, Options], GradientCode]
    takes: tuple[str, ...] = ()
    whole_gradients: bool = False
    tolerant: bool = True


def _groups(placement: Placement) -> Callable[[int, int, int, Options], GradientCode]:
    def make(n: int, s: int, m: int, options: Options) -> GradientCode:
        if options.code == "auto":
            return design(n, s, m, prefer=options.prefer, placement=placement)
        return Grouped(n, named_for(options.code, s, m, options.seed), prefer=options.prefer)

    return make


def _ye_abbe(n: int, s: int, m: int, options: Options) -> GradientCode:
    nodes = options.nodes or "published"
    return YeAbbe(n, s + m, s, m, nodes, seed=options.seed if nodes == "gaussian" else 0)


SCHEMES: dict[str, NamedScheme] = {
    "auto": NamedScheme(
        "Groups of workers with one linear code each, or a cyclic scheme if the load of groups would be too large.",
        _groups("auto"),
        takes=("code", "prefer"),
    ),
    "grouped": NamedScheme(
        "Groups of workers; each group shares one subset of the data and one linear code.",
        _groups("grouped"),
        takes=("code", "prefer"),
    ),
    "fractional-repetition": NamedScheme(
        "Groups of s + 1 workers that all send the same gradient (Tandon et al., 2017).",
        lambda n, s, m, options: FractionalRepetition(n, s),
        whole_gradients=True,
    ),
    "cyclic-repetition": NamedScheme(
        "Each worker holds s + 1 neighbouring subsets and sends one combination (Tandon et al., 2017).",
        lambda n, s, m, options: CyclicRepetition(n, s, seed=options.seed),
        whole_gradients=True,
    ),
    "ye-abbe": NamedScheme(
        "Each worker holds s + m neighbouring subsets and sends a message m times shorter (Ye and Abbe, 2018).",
        _ye_abbe,
        takes=("nodes",),
    ),
    "uncoded": NamedScheme(
        "Each worker computes the gradient of its own subset, and all must answer.",
        lambda n, s, m, options: Uncoded(n),
        whole_gradients=True,
        tolerant=False,
    ),
    "ignore-stragglers": NamedScheme(
        "The sum of the first n − s gradients, scaled by n / (n − s): not exact.",
        lambda n, s, m, options: IgnoreStragglers(n, s),
        whole_gradients=True,
    ),
}


def named_scheme(
    scheme: str, workers: int, stragglers: int | None = None, communication: int = 1, options: Options | None = None
) -> GradientCode:
    """Make the scheme of this name.

    Parameters
    ----------
    scheme : str
        One of `SCHEMES`.
    workers : int
        Number of workers n.
    stragglers : int, optional
        How many workers may be missing. Default: 1, or 0 if the scheme or a single worker tolerates none.
    communication : int
        Messages are m times shorter than the gradient.
    options : Options, optional
        Its other options.

    Raises
    ------
    ValueError
        If there is no such scheme, or it does not take an option that was given.
    CodeParameterError
        If the scheme does not exist in this size.

    Examples
    --------
    >>> named_scheme("fractional-repetition", workers=6)
    FractionalRepetition(6, stragglers=1)
    >>> named_scheme("grouped", 6, 1, 2, Options(code="gaussian"))
    Grouped(6, <gaussian [3, 2, 2]>, load=3)
    """
    if scheme not in SCHEMES:
        raise ValueError(f"scheme must be one of {', '.join(SCHEMES)}, got {scheme!r}")
    family, options = SCHEMES[scheme], options or Options()
    n, m = check_int("workers", workers, 1), check_int("communication", communication, 1)
    defaults = Options()
    for name, where in (("nodes", "ye-abbe"), ("code", "grouped"), ("prefer", "grouped")):
        value = getattr(options, name)
        if value != getattr(defaults, name) and name not in family.takes:
            raise ValueError(f"{name} needs scheme {where}, got {name}={value} with {scheme}")
    if family.whole_gradients and m != 1:
        raise CodeParameterError(f"scheme {scheme} must have communication 1, got {m}")
    if not family.tolerant and stragglers:
        raise ValueError(f"scheme {scheme} must have stragglers 0, got {stragglers}")
    s = stragglers if stragglers is not None else min(1, n - 1) if family.tolerant else 0
    check_int("stragglers", s, 0, n - 1, f"workers={n}")
    if s + m > n:
        raise CodeParameterError(
            f"stragglers + communication must be at most workers, got {s} + {m} = {s + m} with workers={n}"
        )
    if options.code in NAMES and NAMES[options.code].whole_gradients and m != 1:
        raise CodeParameterError(f"code {options.code} must have communication 1, got {m}")
    return family.make(n, s, m, options)
