"""Report how accurate codes and schemes are, and what decoding costs: ``python -m bench.stability``.

Tables and figures are written to bench/results/stability/. ``--quick`` tries it out with fewer sets. Random numbers are
seeded, so the errors are reproducible; the seconds depend on the machine.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gradcode import (
    CyclicRepetition,
    FractionalRepetition,
    GradientCode,
    Grouped,
    YeAbbe,
    codes,
    condition_bound,
)
from gradcode.codes.conditioning import conditions_of, search_sets
from gradcode.errors import CodeParameterError, GradCodeWarning
from gradcode.reports.drawing import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, WIDTH, save_figure, style
from gradcode.schemes.scale import SLOW_SYSTEM

RESULTS = Path(__file__).parent / "results" / "stability"
SIZE = 480  # elements of a gradient, a multiple of every m here
SHAPES = [
    (10, 5, 3, 2),
    (15, 5, 1, 4),
    (20, 5, 3, 2),
    (20, 10, 5, 5),
    (20, 10, 2, 8),
    (30, 5, 3, 2),
    (30, 10, 6, 4),
    (50, 10, 6, 4),
    (100, 5, 3, 2),
    (100, 10, 6, 4),
    (100, 20, 10, 10),
]
CODES = [(5, 2), (8, 2), (12, 2), (5, 3), (6, 3), (8, 3), (12, 3), (6, 4), (8, 4), (10, 4), (12, 4), (16, 4), (24, 4)]
CODES += [(8, 6), (10, 6), (12, 6), (16, 6), (10, 8), (12, 8), (16, 8), (20, 8), (24, 8), (24, 12), (20, 16), (32, 16)]


class Errors(NamedTuple):
    """Relative errors of decoded sums: the median over the sets of survivors, and the worst."""

    typical: float
    worst: float

    def __str__(self) -> str:
        return f"{_short(self.typical)} / {_short(self.worst)}"


def schemes_of(n: int, d: int, s: int, m: int) -> Iterator[tuple[str, Callable[[], GradientCode]]]:
    """Yield the schemes that exist for (n, d, s, m), by name."""
    for nodes in ("published", "integer", "equispaced", "chebyshev", "gaussian", "harmonic"):
        if nodes != "harmonic" or m % 2 == 0:
            yield f"Ye-Abbe {nodes}", lambda nodes=nodes: YeAbbe(n, d, s, m, nodes, max_condition=math.inf)
    if n % d == 0:
        yield "grouped Gaussian", lambda: Grouped(n, codes.gaussian(d, m))
        yield "grouped Haar", lambda: Grouped(n, codes.haar(d, m))
        yield "grouped harmonic", lambda: Grouped(n, codes.harmonic(d, m))
        if codes.default(d, m) != codes.harmonic(d, m):
            yield "grouped default", lambda: Grouped(n, codes.default(d, m))


def patterns(scheme: GradientCode, count: int) -> list[list[int]]:
    """Return sets of survivors: first those where s neighbours are missing, then random ones."""
    n, s = scheme.n_workers, scheme.stragglers
    rng = np.random.default_rng([n, s])
    lost = [[(start + i) % n for i in range(s)] for start in range(0, n, max(1, n // 20))]
    lost += [rng.choice(n, s, replace=False).tolist() for _ in range(count)]
    return [[w for w in range(n) if w not in missing] for missing in map(set, lost)]


def errors_of(scheme: GradientCode, dtype: str, count: int, disparity: float = 1.0) -> Errors:
    """Return relative l2 errors of the decoded sum; the reference is a sum in extended precision."""
    n, k = scheme.n_workers, scheme.n_subsets
    rng = np.random.default_rng([n, k])
    gradients = rng.standard_normal((k, SIZE))
    if disparity > 1:  # two of five subsets have large gradients that cancel
        for one, other in zip(range(0, k - 1, 5), range(1, k, 5), strict=False):
            large = disparity * rng.standard_normal(SIZE)
            gradients[one] += large
            gradients[other] -= large
    rounded = gradients.astype(dtype)
    exact = rounded.astype(np.longdouble).sum(axis=0)
    messages = []
    for worker in range(n):
        held = [rounded[subset.index] for subset in scheme.subsets(worker)]
        messages.append(scheme.encode(worker, held[0] if scheme.summed else held))
    found = []
    for survivors in patterns(scheme, count):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GradCodeWarning)
            decoder = scheme.decoder(SIZE, dtype)
        for worker in survivors:
            decoder.add(worker, messages[worker])
        if not decoder.accept_any_condition():
            found.append(math.inf)
            continue
        found.append(float(np.linalg.norm(decoder.result() - exact) / np.linalg.norm(exact)))
    return Errors(statistics.median(found), max(found))


def plain_sum(n: int, dtype: str, disparity: float = 1.0) -> float:
    """Return the relative error of adding n gradients one after the other."""
    rng = np.random.default_rng([n, n])
    gradients = rng.standard_normal((n, SIZE))
    if disparity > 1:
        for one, other in zip(range(0, n - 1, 5), range(1, n, 5), strict=False):
            large = disparity * rng.standard_normal(SIZE)
            gradients[one] += large
            gradients[other] -= large
    rounded = gradients.astype(dtype)
    total = np.zeros(SIZE, dtype)
    for gradient in rounded:
        total += gradient
    exact = rounded.astype(np.longdouble).sum(axis=0)
    return float(np.linalg.norm(total - exact) / np.linalg.norm(exact))


def powers_error(n: int, d: int, s: int, m: int, count: int) -> Errors:
    """Return the errors of Ye and Abbe's published decoder, which solves a system in powers of nodes, in float64."""
    scheme = YeAbbe(n, d, s, m, "published", max_condition=math.inf)
    positive = 1 + np.arange(n // 2) / 2
    nodes = np.concatenate([-positive[::-1], [0.0] * (n % 2), positive])
    powers = np.vander(nodes, n - s, increasing=True)
    rng = np.random.default_rng([n, n])
    gradients = rng.standard_normal((n, SIZE))
    exact = gradients.sum(axis=0)
    messages = np.array([scheme.encode(w, [gradients[x.index] for x in scheme.subsets(w)]) for w in range(n)])
    found = []
    for survivors in patterns(scheme, count):
        try:
            solved = np.linalg.solve(powers[survivors], messages[survivors])[n - s - m :].ravel()[:SIZE]
            found.append(float(np.linalg.norm(solved - exact) / np.linalg.norm(exact)))
        except np.linalg.LinAlgError:
            found.append(math.inf)
    return Errors(statistics.median(found), max(found))


# --- parts of the report ----------------------------------------------------------------------------------------------


def schemes_table(count: int) -> list[str]:
    """Return a table of the errors of all schemes, in both types."""
    lines = [
        "## Schemes",
        "",
        "Relative l2 error of the decoded sum for normally distributed data: median / worst over sets of n − s "
        f"survivors, {count} of them random and others with s neighbours missing. Schemes with a condition above 1e12 "
        "are included by `max_condition`; gradcode refuses them by default. ∞ means that the decoder reports a set as "
        "undecodable. The condition is `scheme.worst_condition()`; ≥ marks a lower bound, found by a search. The plain "
        "sum adds the n gradients one by one.",
        "",
        "| n, d, s, m | scheme | worst condition | float64 | float32 | largest coefficient |",
        "|---|---|---|---|---|---|",
    ]
    for shape in SHAPES:
        n = shape[0]
        where = ", ".join(map(str, shape))
        lines.append(
            f"| {where} | plain sum | | {_short(plain_sum(n, 'float64'))} | {_short(plain_sum(n, 'float32'))} | |"
        )
        if n <= 30:
            lines.append(f"| | Ye-Abbe published, solving with the powers | | {powers_error(*shape, count)} | | |")
        for name, make in schemes_of(*shape):
            try:
                scheme = make()
            except CodeParameterError as error:
                lines.append(f"| | {name} | refused: {str(error).split(',')[0]} | | | |")
                continue
            worst = scheme.worst_condition(limit=2000 if n <= 30 else 200)
            largest = max(float(np.abs(scheme.coefficients(w)).max()) for w in range(n))
            doubles = errors_of(scheme, "float64", count)
            try:
                singles = str(errors_of(scheme, "float32", count))
            except ValueError:  # float32 cannot hold the coefficients or the weights
                singles = "refused: overflow"
            mark = "≥" if worst.kind == "lower bound" else ""
            lines.append(f"| | {name} | {mark}{_short(worst)} | {doubles} | {singles} | {_short(largest)} |")
        print(f"schemes {shape}", flush=True)
    return [*lines, ""]


def whole_messages_table(count: int) -> list[str]:
    """Return a table of the errors of the repetition schemes, where m = 1."""
    lines = [
        "## Whole gradients: the repetition schemes of Tandon et al.",
        "",
        "| scheme | worst condition | float64 | float32 |",
        "|---|---|---|---|",
    ]
    for n, s in ((10, 4), (11, 4), (20, 4), (21, 4), (20, 9), (21, 10), (50, 4), (51, 4)):
        options: list[GradientCode] = [CyclicRepetition(n, s)]
        if (n - s) % 2:
            options.append(CyclicRepetition(n, s, "harmonic"))
        if n % (s + 1) == 0:
            options.append(FractionalRepetition(n, s))
        for scheme in options:
            worst = scheme.worst_condition(limit=1000)
            mark = "≥" if worst.kind == "lower bound" else ""
            cells = [f"{mark}{_short(worst)}", *(str(errors_of(scheme, t, count)) for t in ("float64", "float32"))]
            lines.append(f"| {scheme} | {' | '.join(cells)} |")
    print("repetition", flush=True)
    return [*lines, ""]


def disparity_table(count: int) -> list[str]:
    """Return a table of the errors where large gradients cancel."""
    lines = [
        "## Norm disparity",
        "",
        "The gradients of two of every five subsets are a thousand times larger than the others and cancel each other. "
        "Median / worst error.",
        "",
        "| n, d, s, m | scheme | float64 | float32 |",
        "|---|---|---|---|",
    ]
    for shape in ((10, 5, 3, 2), (20, 10, 6, 4), (100, 5, 3, 2), (100, 10, 6, 4)):
        n, d, s, m = shape
        plain = [_short(plain_sum(n, dtype, 1e3)) for dtype in ("float64", "float32")]
        lines.append(f"| {', '.join(map(str, shape))} | plain sum | {' | '.join(plain)} |")
        made = {
            "Ye-Abbe gaussian": YeAbbe(n, d, s, m, "gaussian"),
            "Ye-Abbe harmonic": YeAbbe(n, d, s, m, "harmonic"),
            "grouped default": Grouped(n, codes.default(d, m)),
        }
        for name, scheme in made.items():
            if scheme.summed:
                scheme = _with_single_gradients(scheme)
            cells = [str(errors_of(scheme, dtype, count, 1e3)) for dtype in ("float64", "float32")]
            lines.append(f"| | {name} | {' | '.join(cells)} |")
    print("disparity", flush=True)
    return [*lines, ""]


def _with_single_gradients(scheme: GradientCode) -> GradientCode:
    """Return the grouped scheme with n subsets, so that the large gradients are combined in the workers."""
    n, d, m = scheme.n_workers, round(scheme.load), scheme.communication
    table = np.zeros((n, n, m))
    for worker in range(n):
        first = worker // d * d
        table[worker, first : first + d] = scheme.coefficients(worker)[0]
    return GradientCode.from_coefficients(table, stragglers=scheme.stragglers)


def codes_table(limit: int) -> list[str]:
    """Return a table of the worst conditions of codes with m survivors."""
    families: dict[str, Callable[[int, int], list[codes.LinearCode]]] = {
        "gaussian": lambda d, m: [codes.gaussian(d, m, seed=seed) for seed in range(5)],
        "haar": lambda d, m: [codes.haar(d, m, seed=seed) for seed in range(5)],
        "haar, best of 30": lambda d, m: [codes.haar(d, m, draws=30)] if math.comb(d, m) <= 3000 else [],
        "chebyshev": lambda d, m: [codes.chebyshev_vandermonde(d, m)],
        "harmonic": lambda d, m: [codes.harmonic(d, m)],
        "default": lambda d, m: [codes.default(d, m)],
    }
    lines = [
        "## Codes",
        "",
        "Largest condition number over all sets of m survivors; for random codes, the median of five draws. If there "
        f"are more than {limit:,} sets, a search looks at some of them. ≥ marks its result: a lower bound, possibly "
        "far too small. The last two columns are for m + 1 and m + 2 survivors.",
        "",
        f"| d, m | {' | '.join(families)} | default: with m + 1 | m + 2 |",
        f"|---|{'---|' * len(families)}---|---|",
    ]
    for d, m in CODES:
        cells = []
        for make in families.values():
            made = make(d, m)
            found = [code.worst_condition(m, limit=limit) for code in made]
            kinds = {condition.kind for condition in found}
            middle = statistics.median(map(float, found)) if found else None
            cells.append("" if middle is None else f"{'≥' if 'lower bound' in kinds else ''}{_short(middle)}")
        for survivors in (m + 1, m + 2):
            spare = codes.default(d, m).worst_condition(survivors, limit=limit) if survivors <= d else None
            cells.append("" if spare is None else f"{'≥' if spare.kind == 'lower bound' else ''}{_short(spare)}")
        lines.append(f"| {d}, {m} | {' | '.join(cells)} |")
    print("codes", flush=True)
    return [*lines, ""]


def bounds_table(draws: int) -> list[str]:
    """Return a table of the theoretical bounds for random schemes, and how often draws exceed them."""
    lines = [
        "## Bounds for random schemes",
        "",
        f"The table compares `condition_bound(scheme, 1/2)` with the worst conditions of {draws} draws: their median, "
        "and how many exceed the bound (at most half may). For Ye-Abbe the conditions are those of all matrices that "
        "are inverted, including those for encoding.",
        "",
        "| n, d, s, m | grouped: bound | median | exceed | Ye-Abbe: bound | median | exceed | grouped harmonic |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for n, d, s, m in ((10, 5, 3, 2), (20, 5, 3, 2), (20, 10, 2, 8), (24, 8, 4, 4)):
        grouped = condition_bound(Grouped(n, codes.gaussian(d, m)), 0.5)
        found = [float(codes.gaussian(d, m, seed=seed).worst_condition()) for seed in range(draws)]
        ye_abbe = condition_bound(YeAbbe(n, d, s, m, "gaussian"), 0.5)
        cyclic = []
        for seed in range(draws):
            basis = np.random.default_rng([seed, 0]).standard_normal((n - s, n))
            sets = search_sets(n, n - s, conditions_of(basis), 12_000)
            outside = [[(subset + 1 + i) % n for i in range(n - d)] for subset in range(n)]
            cyclic.append(max(sets.worst, *(float(np.linalg.cond(basis[: n - d, u])) for u in outside)))
        cells = []
        for bound, values in ((grouped, found), (ye_abbe, cyclic)):
            exceed = sum(value > bound for value in values)
            cells += [_short(bound), _short(statistics.median(values)), f"{exceed} of {draws}"]
        harmonic = codes.harmonic(d, m).worst_condition()
        lines.append(f"| {n}, {d}, {s}, {m} | {' | '.join(cells)} | {_short(harmonic)} |")
    print("bounds", flush=True)
    return [*lines, ""]


def costs(repetitions: int) -> tuple[list[str], dict[str, list[tuple[int, float, float, float]]]]:
    """Return a table and the numbers of the cost of decoding by n: operations, and the seconds of each step."""
    size = 100_000
    made = {
        "grouped default": lambda n: Grouped(n, codes.default(4, 2)),
        "Ye-Abbe harmonic": lambda n: YeAbbe(n, 4, 2, 2, "harmonic"),
        "cyclic repetition": lambda n: CyclicRepetition(n, 3),
        "fractional repetition": lambda n: FractionalRepetition(n, 3),
        "grouped default, first decodable set": lambda n: Grouped(n, codes.default(4, 2)),
    }
    found: dict[str, list[tuple[int, float, float, float]]] = {name: [] for name in made}
    lines = [
        "## What decoding costs",
        "",
        "All schemes have load 4, with s = 2 and m = 2, or s = 3 and m = 1. Decoding uses all n − s survivors. In the "
        "rows `first decodable set` it uses those that have arrived when the sum is first decodable. Operations are "
        "additions and multiplications per element of the gradient. The times are for making the scheme with all "
        f"coefficients, for solving for one new set of survivors, and for decoding {size:,} float32 elements: medians "
        f"of {repetitions} interleaved repetitions (a third as many above n = 400) on {os.cpu_count()} cores.",
        "",
        "| n | scheme | operations | make | solve | decode |",
        "|---|---|---|---|---|---|",
    ]
    for n in (12, 24, 48, 100, 200, 400, 600, 700, 800, 1000):
        seconds: dict[str, list[list[float]]] = {name: [[], [], []] for name in made}
        operations = {}
        messages = [np.random.default_rng(0).standard_normal(size).astype(np.float32)]
        for repetition in range(repetitions if n <= 400 else max(1, repetitions // 3)):
            for name, make in made.items():
                started = time.perf_counter()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", GradCodeWarning)
                    scheme = make(n)
                    for worker in range(n):
                        scheme.coefficients(worker)
                    made_at = time.perf_counter()
                    decoder = scheme.decoder(size, "float32")
                rng = np.random.default_rng(repetition)
                lost = rng.choice(n, scheme.stragglers, replace=False)
                survivors = [w for w in range(n) if w not in lost]
                if "first" in name:  # two of each group suffice to decode
                    survivors = [w for w in range(n) if w % 4 in (repetition % 4, (repetition + 1) % 4)]
                solving = time.perf_counter()
                weights = scheme.weights(survivors)
                solved = time.perf_counter()
                message = np.resize(messages[0], scheme.message_size(size, "float32"))
                for worker in survivors:
                    decoder.add(worker, message)
                decoder.accept_any_condition()
                out = np.empty(size, np.float32)
                decoder.estimate(out) if n <= 24 else None  # touches the pages of out
                decoding = time.perf_counter()
                decoder.result(out)
                done = time.perf_counter()
                for values, value in zip(
                    seconds[name], (made_at - started, solved - solving, done - decoding), strict=True
                ):
                    values.append(value)
                nonzero = np.count_nonzero(weights)
                operations[name] = 2 * nonzero / scheme.communication
        for name in made:
            make_s, solve_s, decode_s = (statistics.median(values) for values in seconds[name])
            found[name].append((n, operations[name], solve_s, decode_s))
            times = " | ".join(map(_seconds, (make_s, solve_s, decode_s)))
            lines.append(f"| {n} | {name} | {operations[name]:.0f} | {times} |")
        print(f"costs {n}", flush=True)
    started = time.perf_counter()
    scheme = Grouped(10_000, codes.default(4, 2))
    for worker in range(10_000):
        scheme.coefficients(worker)
    scheme.weights([w for w in range(10_000) if w % 4 != w // 4 % 4])
    spent = time.perf_counter() - started
    lines += [
        "",
        f"For 10,000 workers, it took {_seconds(spent)} to make a grouped scheme with its coefficients and the weights "
        f"for 7,500 survivors. Cyclic schemes warn from {SLOW_SYSTEM} unknowns on, because solving is slow.",
        "",
    ]
    return lines, found


# --- figures ----------------------------------------------------------------------------------------------------------


def error_figure(count: int) -> None:
    """Draw the worst float64 error against n, for d = 5, s = 3, m = 2."""
    lines: dict[str, tuple[str, list[tuple[int, float]]]] = {
        "Ye-Abbe published, solving with the powers": (VERMILION, []),
        "Ye-Abbe published": (ORANGE, []),
        "Ye-Abbe gaussian": (PURPLE, []),
        "Ye-Abbe harmonic": (GREEN, []),
        "grouped Gaussian": (BLACK, []),
        "grouped harmonic": (BLUE, []),
    }
    for n in (10, 15, 20, 25, 30, 40, 50, 60, 80, 100):
        for name, make in schemes_of(n, 5, 3, 2):
            if name in lines:
                worst = errors_of(make(), "float64", count).worst
                lines[name][1].append((n, worst))
        lines["Ye-Abbe published, solving with the powers"][1].append((n, powers_error(n, 5, 3, 2, count).worst))
    with style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
        axes = figure.subplots()
        for name, (colour, points) in lines.items():
            shown = [(n, min(error, 1e3)) for n, error in points if math.isfinite(error)]
            axes.plot(*zip(*shown, strict=True), "o-", color=colour, label=name)
        axes.plot(
            [n for n, _ in lines["grouped harmonic"][1]],
            [plain_sum(n, "float64") for n, _ in lines["grouped harmonic"][1]],
            ":",
            color=BLACK,
            label="plain sum",
        )
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:.0e}")
        axes.set_xlabel("workers n")
        axes.set_ylabel("worst relative error, float64")
        axes.set_title("d = 5, s = 3, m = 2")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    save_figure(figure, RESULTS / "error_against_n.svg")


def condition_figure(limit: int) -> None:
    """Draw the worst condition against d, where all sets were checked."""
    with style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH, 3.8), layout="constrained")
        for axes, m in zip(figure.subplots(1, 3, sharey=True), (2, 4, 8), strict=True):
            lengths = [d for d in (3, 4, 5, 6, 8, 10, 12, 14, 16, 20, 24) if d > m]
            families: dict[str, tuple[str, Callable[[int], list[codes.LinearCode]]]] = {
                "gaussian, median of 9": (BLACK, lambda d, m=m: [codes.gaussian(d, m, seed=i) for i in range(9)]),
                "haar, median of 9": (PURPLE, lambda d, m=m: [codes.haar(d, m, seed=i) for i in range(9)]),
                "chebyshev": (ORANGE, lambda d, m=m: [codes.chebyshev_vandermonde(d, m)]),
                "harmonic": (GREEN, lambda d, m=m: [codes.harmonic(d, m)]),
                "default": (BLUE, lambda d, m=m: [codes.default(d, m)]),
            }
            for name, (colour, make) in families.items():
                points = []
                for d in lengths:
                    found = [code.worst_condition(m, limit=limit) for code in make(d)]
                    if all(condition.kind != "lower bound" for condition in found):
                        points.append((d, statistics.median(map(float, found))))
                axes.plot(*zip(*points, strict=True), "o-", color=colour, label=name if m == 2 else None)
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:.0e}")
            axes.set_title(f"m = {m}")
            axes.set_xlabel("length d")
        figure.axes[0].set_ylabel("worst condition, m survivors")
        figure.legend(loc="outside lower center", ncols=5, fontsize=8)
    save_figure(figure, RESULTS / "condition_against_d.svg")


def cost_figure(found: dict[str, list[tuple[int, float, float, float]]]) -> None:
    """Draw operations and seconds of decoding against n."""
    with style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
        panels = ("operations an element", "seconds to solve a new set", "seconds to decode 100,000")
        for position, (axes, title) in enumerate(zip(figure.subplots(1, 3), panels, strict=True), 1):
            for (name, points), colour in zip(found.items(), (BLUE, GREEN, VERMILION, BLACK, SKY), strict=True):
                axes.plot([p[0] for p in points], [p[position] for p in points], "o-", color=colour, label=name)
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_major_formatter("{x:g}")
            axes.set_title(title)
            axes.set_xlabel("workers n")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    save_figure(figure, RESULTS / "decoding_against_n.svg")


def _short(value: float) -> str:
    return "∞" if math.isinf(value) else f"{value:.1e}" if value >= 1e4 or value < 1e-2 else f"{value:.3g}"


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1e3:.3g} ms"


def main() -> int:
    """Measure, and write the report and its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer sets and repetitions")
    parser.add_argument("--results", type=Path, default=None, help="folder of the report")
    options = parser.parse_args()
    global RESULTS
    RESULTS = options.results or RESULTS
    RESULTS.mkdir(parents=True, exist_ok=True)
    count, limit, draws, repetitions = (10, 2_000, 20, 3) if options.quick else (100, 200_000, 60, 9)
    lines = [
        "# Accuracy of codes and schemes, and the cost of decoding",
        "",
        f"`python -m bench.stability{' --quick' if options.quick else ''}` wrote this page on {os.cpu_count()} cores "
        f"({platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}). Conclusions are in "
        "[findings](findings.md).",
        "",
        "![Worst error against the number of workers](error_against_n.svg)",
        "",
        "![Worst condition against the length of the code](condition_against_d.svg)",
        "",
        "![Cost of decoding against the number of workers](decoding_against_n.svg)",
        "",
    ]
    lines += schemes_table(count)
    lines += whole_messages_table(count)
    lines += disparity_table(count)
    lines += codes_table(limit)
    lines += bounds_table(draws)
    table, found = costs(repetitions)
    lines += table
    error_figure(count)
    condition_figure(limit // 10)
    cost_figure(found)
    (RESULTS / "README.md").write_text("\n".join(lines).rstrip() + "\n")
    print(f"report in {RESULTS / 'README.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
