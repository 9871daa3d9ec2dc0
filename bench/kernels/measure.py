"""Time all contenders of a case and the floor of the machine in the same rounds.

Every round runs all of them in a new order. Ratios are taken within a round, and their median is reported. So if the
machine is slow for a while, it is slow for all contenders.
"""

from __future__ import annotations

import gc
import itertools
import time
from typing import Any, NamedTuple

import numpy as np

from bench.kernels import floor as floors
from bench.kernels.cases import Case
from bench.kernels.contenders import BEST, OWN, Call, check, contenders, make
from bench.kernels.floor import Floor, Repeated

STEADY = 1.4  # upper over lower quartile of the floor; above this, a case is not judged
SAMPLE_NS = 40_000  # shortest duration of a sample
PATIENCE = 40.0  # seconds after which an unsteady case is not measured again
PEAK_REPEAT = 40_000
REST_SECONDS = 0.03  # with several threads: wait until the threads of the previous contender sleep

# The limits of the machine, in seconds: moving the bytes, computing, and the longer of the two.
FLOOR, COMPUTE, LIMIT = "floor", "compute", "limit"


class Effort(NamedTuple):
    """The number of rounds and attempts of a case."""

    resident: int  # rounds of a case that stays in a cache
    other: int  # rounds of a larger case
    attempts: int


FULL, QUICK = Effort(31, 11, 3), Effort(7, 5, 1)


def measure(case: Case, floor: Floor, level: str, threads: int, seed: int, effort: Effort) -> dict[str, Any]:
    """Return the `summary` of a case. If the floor is unsteady, measure again and keep the steadiest attempt."""
    data = make(case, seed)
    calls = contenders(case, data)
    check(case, data, calls)
    best: dict[str, Any] = {}
    started = time.monotonic()
    for attempt in range(effort.attempts):
        times = _rounds(case, calls, floor, level, threads, seed + attempt, effort)
        found = summary(case, times)
        if not best or found["spread"] < best["spread"]:
            best = found
        if best["spread"] <= STEADY or time.monotonic() - started > PATIENCE:
            break
    return best


def summary(case: Case, times: dict[str, np.ndarray]) -> dict[str, Any]:
    """Reduce the seconds of all rounds to quartiles of the seconds and of the ratios to our time.

    A ratio has four numbers: the three quartiles over the rounds, and the ratio of the shortest times.
    """
    own = times[OWN]
    for name, members in BEST.items():
        if found := [times[member] for member in members if member in times]:
            times = times | {name: np.minimum.reduce(found)}
    low, high = np.quantile(times[FLOOR], [0.25, 0.75])
    return {
        "case": case._asdict(),
        "rounds": len(own),
        "spread": round(float(high / low), 3),
        "seconds": {name: _quartiles(seconds) for name, seconds in times.items()},
        "ratio": {
            name: [*_quartiles(seconds / own), _short(seconds.min() / own.min())]
            for name, seconds in times.items()
            if name != OWN
        },
    }


def _rounds(
    case: Case, calls: dict[str, Call], floor: Floor, level: str, threads: int, seed: int, effort: Effort
) -> dict[str, np.ndarray]:
    """Return the seconds of one call by contender and round, with the limits as further contenders."""
    ways = floors.moves(floor, case.n_read, case.n_written, threads)
    runs: dict[str, Repeated] = {name: _repeated(call) for name, call in calls.items()} | ways
    peak = floor.peaks[level][case.dtype]
    repeats = {name: _enough(run) for name, run in runs.items()}
    names = [*runs, COMPUTE]
    n_rounds = effort.resident if case.resident else effort.other
    seconds = {name: np.empty(n_rounds) for name in names}
    rng = np.random.default_rng(seed)
    collecting = gc.isenabled()
    gc.disable()
    try:
        for r in range(n_rounds):
            for i in rng.permutation(len(names)):
                name = names[i]
                if threads > 1:
                    time.sleep(REST_SECONDS)
                if name == COMPUTE:
                    peak(PEAK_REPEAT)
                    started = time.perf_counter_ns()
                    done = peak(PEAK_REPEAT)
                    spent = time.perf_counter_ns() - started
                    seconds[name][r] = case.flops * spent * 1e-9 / done / threads
                    continue
                run, repeat = runs[name], repeats[name]
                if case.resident or threads > 1:
                    run(1)  # the other contenders have used the cache since
                started = time.perf_counter_ns()
                run(repeat)
                seconds[name][r] = (time.perf_counter_ns() - started) * 1e-9 / repeat
    finally:
        if collecting:
            gc.enable()
    best = np.minimum.reduce([seconds.pop(name) for name in ways])
    return {**seconds, FLOOR: best, LIMIT: np.maximum(best, seconds[COMPUTE])}


def _repeated(call: Call) -> Repeated:
    def run(repeat: int) -> None:
        for _ in itertools.repeat(None, repeat):
            call()

    return run


def _enough(run: Repeated) -> int:
    """Return how many calls make a sample. The first calls also warm up."""
    repeat = 1
    while True:
        started = time.perf_counter_ns()
        run(repeat)
        spent = time.perf_counter_ns() - started
        if spent >= SAMPLE_NS:
            return repeat
        repeat = max(repeat * 2, int(1.2 * repeat * SAMPLE_NS / max(spent, 1)))


def _quartiles(values: np.ndarray) -> list[float]:
    return [_short(value) for value in np.quantile(values, [0.25, 0.5, 0.75])]


def _short(value: float) -> float:
    return float(f"{value:.4g}")
