"""The targets of the kernels: for float32 with AVX-512, on the machine on which they were designed."""

from __future__ import annotations

from typing import Any, NamedTuple

from bench.kernels.cases import DECODE_SHAPES, DRAM, L1, L2, SMALL, TINY, Case
from bench.kernels.contenders import OWN, OWN_FLOAT32
from bench.kernels.measure import COMPUTE, FLOOR, LIMIT

SECONDS = "seconds"
SHARES = {FLOOR: "of floor", COMPUTE: "of FMA peak", LIMIT: "of the limit"}
# The goal that matters most: the speed relative to the shortest expression, at 1e7 elements.
NAIVE = "numpy fresh"
NAIVE_LEAST, NAIVE_LEAST_MANY, MANY_MESSAGES, MODERATE = 4.5, 6.0, 10, 80
LOSS = 1.1


class Target(NamedTuple):
    """A target for our time: a factor over another time that it must reach, or seconds that it may take."""

    against: str
    least: float

    def __str__(self) -> str:
        if self.against == SECONDS:
            return f"≤ {self.least * 1e9:.0f} ns"
        if self.against in SHARES:
            return f"≥ {self.least:.0%} {SHARES[self.against]}"
        if self.against == OWN_FLOAT32:
            return f"≤ {1 / self.least:.2f} × the time of float32"
        return f"≥ {self.least:g}× {self.against}"

    def reached(self, result: dict[str, Any]) -> float | None:
        """Return what was reached, None if it was not measured.

        A ratio is the larger of two: the median of the rounds' ratios, and the ratio of the shortest times. Noise only
        slows, so the larger ratio is the better estimate.
        """
        if self.against == SECONDS:
            return float(result["seconds"][OWN][1])
        ratios = result["ratio"].get(self.against)
        return None if ratios is None else float(max(ratios[1], ratios[3]))

    def met(self, result: dict[str, Any]) -> bool | None:
        """Return whether the target is met, None if it was not measured."""
        reached = self.reached(result)
        if reached is None:
            return None
        return reached <= self.least if self.against == SECONDS else reached >= self.least

    def shortfall(self, result: dict[str, Any]) -> str:
        """Write what was reached, in the form of the target."""
        reached = self.reached(result)
        assert reached is not None
        if self.against == SECONDS:
            return f"{reached * 1e9:.1f} ns"
        if self.against in SHARES:
            return f"{reached:.1%} {SHARES[self.against]}"
        if self.against == OWN_FLOAT32:
            return f"{1 / reached:.2f} × the time of float32"
        return f"{reached:.2f}× {self.against}"


def targets(case: Case, threads: int = 1) -> list[Target]:
    """Return the targets of a case; an empty list if there are none."""
    if case.accumulate or case.dtype != "float32":
        return []
    if case.wire:
        return _of_wire(case)
    return _of_decode(case, threads) if case.kind == "decode" else _of_encode(case)


def _of_wire(case: Case) -> list[Target]:
    if case.wire != "bfloat16" or case.size != DRAM:
        return []
    if case.kind == "encode":
        return [Target("torch packed", 1.4)]
    return [Target(OWN_FLOAT32, 1 / 0.65), Target("ml_dtypes list", 8)] if _shape(case) == (4, 20) else []


def _of_encode(case: Case) -> list[Target]:
    if case.inputs == 1:
        if case.size <= SMALL:
            return [Target(SECONDS, 150e-9), Target("numpy packed", 4), Target("numpy fresh", 10)]
        if case.size >= DRAM:
            return [Target(FLOOR, 0.75 if case.parts == 2 else 0.8), Target("numpy fresh", 1.2)]
        return [Target(FLOOR, 0.9), Target("best numpy", 1.4)]
    if case.size == DRAM:
        return [Target(FLOOR, 0.8), Target("numpy list", 2), Target("torch list", 1.3)]
    return []


def _of_decode(case: Case, threads: int) -> list[Target]:
    shape = _shape(case)
    if case.size == TINY and case.inputs == 20:
        return [Target(SECONDS, 250e-9), Target(NAIVE, 15)]
    if case.size <= SMALL:
        return [Target(NAIVE, 15)] if case.inputs == 20 else []
    if case.size == L1:
        return [Target("best numpy packed", 0.95), Target("best numpy list", 3.5)]
    if case.size == L2:
        found = [Target("best numpy list", 2.5)]
        if shape in [(2, 2), (2, 10)]:
            found.insert(0, Target(FLOOR, 0.8))
        if case.inputs * case.parts >= 80:
            found.insert(0, Target(COMPUTE, 0.78))
        return found
    if case.size != DRAM or case.parts == 1:
        return []
    if shape == (16, 16):
        return [Target(LIMIT, 0.65), Target("best numpy list", 3), Target("best numpy packed", 1.8)]
    if shape == (8, 32):
        return [Target(FLOOR, 0.62), Target("best numpy list", 3.5), Target("best numpy packed", 2.3)]
    if shape in [(2, 2), (4, 4), (8, 8)]:
        return [Target(FLOOR, 0.9), Target("best numpy list", 4), Target("best numpy packed", 2.2)]
    return [
        Target(FLOOR, 0.75 if threads == 1 else 0.85),
        *(Target("best numpy list", 4), Target("best numpy packed", 2.5), Target("torch packed", 2)),
    ]


def naive(case: Case) -> Target | None:
    """Return the goal of a case relative to ``W @ np.stack(messages)`` with a new output, None if it has none."""
    if case.kind != "decode" or case.size != DRAM or case.wire or case.accumulate or case.dtype != "float32":
        return None
    if _shape(case) not in DECODE_SHAPES or case.inputs * case.parts > MODERATE:
        return None
    return Target(NAIVE, NAIVE_LEAST_MANY if case.inputs >= MANY_MESSAGES else NAIVE_LEAST)


def _shape(case: Case) -> tuple[int, int]:
    return case.parts, case.inputs
