"""Write the page of a level: tables in Markdown, made from the results of `measure`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.kernels.cases import SMALL, Case, power
from bench.kernels.contenders import BEST, NAMES, OTHERS, OWN
from bench.kernels.measure import COMPUTE, FLOOR, STEADY
from bench.kernels.targets import LOSS, MANY_MESSAGES, MODERATE, NAIVE_LEAST, NAIVE_LEAST_MANY, Target, naive, targets

Result = dict[str, Any]

NUMPY = ("numpy", "scipy", "ml_dtypes")
METHOD = """\
Each round runs all contenders and the loops of the floor once, in one process, in a new random order. All use the same
number of threads. Ratios are taken within a round. Tables show their medians; brackets show their quartiles. A target
is met if the median of the ratios or the ratio of the shortest times meets it. A loss is judged by the median. One
untimed call precedes each sample of a case that fits into a cache. A sample repeats the call for at least 40 µs.
Outputs exist beforehand, except for `fresh`. Every time but the floor's includes Python's cost of a call (a
lambda, about 40 ns).

* **floor**: the time in which the machine reads and writes the same bytes. Four loops in C read one stream or four,
  and write with normal or non-temporal stores; the fastest in each round counts. The fastest of four is a little
  too fast where times are noisy. `of floor` is the time of the floor divided by our time.
* **GB/s** counts every input and every output once.
* **FMA peak**: the rate of multiplications and additions in registers, with the instructions of the level, timed in
  each round. **flop/mem** is the time of the operations at this rate, divided by the floor. Above 1, no kernel can
  reach the floor, and `of FMA peak` is the number to judge by. `of the limit` is the larger of these two times,
  divided by ours.
* **× contender**: the time of the contender divided by ours. `list` takes separate buffers and stacks them into a
  buffer that is reused; `packed` takes a stack that was made before; `fresh` is the shortest expression, with new
  arrays. Ours is a prepared plan; `gc_core` is a call without a plan. `scipy` is BLAS, called through SciPy.
  `torch all 16-bit` rounds weights and results to 16 bits too, so its result differs. `gradcode float32` is ours with
  32-bit messages. `gradcode at once` gets all gradients in one call. `nothing` is a compiled method that does nothing.
* `best …` in targets is the fastest, in each round, of: BEST.
* The targets were set for float32 with AVX-512. NumPy, SciPy, PyTorch and Numba use all instructions of the processor,
  whatever level gradcode uses."""
SECTIONS: list[tuple[str, Callable[[Case], bool]]] = [
    ("Decode, float32", lambda c: _plain(c, "decode") and c.dtype == "float32"),
    ("Decode, float64", lambda c: _plain(c, "decode") and c.dtype == "float64"),
    ("Encode, one gradient", lambda c: _plain(c, "encode") and c.inputs == 1),
    ("Encode, several gradients", lambda c: _plain(c, "encode") and c.inputs > 1),
    ("Decode, 16-bit messages", lambda c: c.kind == "decode" and c.wire is not None),
    ("Encode, 16-bit messages", lambda c: c.kind == "encode" and c.wire is not None),
    ("Decode, added to the output", lambda c: c.kind == "decode" and c.accumulate),
    ("Encode, one gradient at a time", lambda c: c.kind == "encode" and c.accumulate),
    ("Calls", lambda c: c.size <= SMALL),
]


def case_of(result: Result) -> Case:
    """Return the case of a result."""
    return Case(**result["case"])


def steady(result: Result) -> bool:
    """Return whether the floor was steady enough to judge the case."""
    return bool(result["spread"] <= STEADY)


def judged(result: Result, threads: int) -> list[tuple[Target, bool]]:
    """Return the measured targets of a case, and whether each is met."""
    pairs = [(target, target.met(result)) for target in targets(case_of(result), threads)]
    return [(target, met) for target, met in pairs if met is not None]


def report(run: dict[str, Any], images: dict[str, str], others: dict[str, str]) -> str:
    """Write the page of a level.

    Parameters
    ----------
    run : dict
        What `measure_levels` keeps of a level: settings, machine and results.
    images : dict
        Files of the figures, by title.
    others : dict
        Files of the other pages, by level.
    """
    results, threads = run["results"], run["threads"]
    sound = [result for result in results if steady(result)]
    lines = [
        f"# What the kernels cost: level {run['level']}",
        "",
        f"`python -m bench.kernels --report{' --quick' if run['quick'] else ''}` wrote this page on {run['date']}, "
        f"with {threads} thread{'s' * (threads > 1)} per contender, seed {run['seed']} and a load average of "
        f"{run['load']} at the start. The last section explains [the method](#how-it-is-measured).",
        "",
    ]
    if others:
        lines += ["Other levels: " + ", ".join(f"[{level}]({file})" for level, file in others.items()) + ".", ""]
    lines += [line for title, file in images.items() for line in (f"![{title}]({file})", "")]
    lines += _table(["what", "which"], [[key, value] for key, value in run["machine"].items()])
    lines += _goals(results, sound) + _missed(sound, threads) + _losses(sound)
    for title, belongs in SECTIONS:
        if found := [result for result in sound if belongs(case_of(result))]:
            lines += _section(title, found, threads)
    return "\n".join(lines + _unsteady(results) + _method()).rstrip() + "\n"


def _goals(results: list[Result], sound: list[Result]) -> list[str]:
    goals = [(result, goal) for result in results if (goal := naive(case_of(result))) is not None]
    naive_way = "`W @ np.stack(messages)` with a new output"
    if goals:
        met = sum(bool(goal.met(result)) for result, goal in goals if steady(result))
        each = ", ".join(
            f"{case_of(result).shape} {goal.reached(result):.1f}×{_verdict(result, goal)}" for result, goal in goals
        )
        first = (
            f"1. Decode 1e7 elements at least {NAIVE_LEAST:g} times as fast as {naive_way}, and {NAIVE_LEAST_MANY:g} "
            f"times as fast from S = {MANY_MESSAGES} on, for (m, S) up to m·S = {MODERATE}. "
            f"Met by {met} of {len(goals)}: {each}."
        )
    else:
        first = f"1. Decode 1e7 elements several times as fast as {naive_way}: not measured."
    lines = ["## The two goals", "", first]
    slower = len({case for case, against, _ in losses(sound) if against.startswith(NUMPY)})
    verdict = (
        f"missed in {slower} of {len(sound)} cases, listed below" if slower else f"met in {len(sound)} of {len(sound)}"
    )
    return [*lines, f"2. Never be slower than NumPy or SciPy by more than 10 %: {verdict}.", ""]


def _verdict(result: Result, goal: Target) -> str:
    return " (not judged)" if not steady(result) else "" if goal.met(result) else " (missed)"


def _missed(results: list[Result], threads: int) -> list[str]:
    all_of_them = [(result, *pair) for result in results for pair in judged(result, threads)]
    rows = [[case_of(r).name, str(t), t.shortfall(r)] for r, t, met in all_of_them if not met]
    lines = ["## Targets", "", f"{len(all_of_them) - len(rows)} of {len(all_of_them)} are met."]
    if rows:
        return [*lines[:-1], lines[-1] + " These are missed:", "", *_table(["case", "target", "reached"], rows)]
    return [*lines, ""]


def losses(results: list[Result]) -> list[tuple[str, str, float]]:
    """Return (case, contender, our time / theirs) where the ratio is above `LOSS`."""
    found = []
    for result in results:
        for name, ratio in result["ratio"].items():
            if name in NAMES and name not in OTHERS and 1 / ratio[1] > LOSS:
                found.append((case_of(result).name, name, 1 / ratio[1]))
    return found


def _losses(results: list[Result]) -> list[str]:
    found = losses(results)
    lines = ["## Losses", ""]
    for title, of_numpy in (("NumPy or SciPy", True), ("PyTorch, Numba or another way to call the kernels", False)):
        rows = [
            [case, name, f"{slower:.2f}"]
            for case, name, slower in sorted(found, key=lambda loss: -loss[2])
            if name.startswith(NUMPY) == of_numpy
        ]
        lines += [f"Slower than {title} by more than 10 %:{'' if rows else ' no case.'}", ""]
        if rows:
            lines += _table(["case", "against", "our time / theirs"], rows)
    return lines


def _section(title: str, results: list[Result], threads: int) -> list[str]:
    shown = [name for name in NAMES if any(name in result["ratio"] for result in results)]
    typed = len({(case_of(r).dtype, case_of(r).wire, case_of(r).kind) for r in results}) > 1
    calls = title == "Calls"
    head = ["(k, m)" if case_of(results[0]).kind == "encode" and not calls else "(m, S)", "l", "time"]
    if calls:
        head = ["call", *head[1:]]
    else:
        head += ["GB/s", "of floor", "flop/mem", "of FMA peak"]
    head += [f"{name} (ns)" if calls else f"× {name}" for name in shown]
    rows = []
    for result in results:
        case, ratios = case_of(result), result["ratio"]
        seconds = result["seconds"][OWN][1]
        first = f"{case.kind} {case.shape}" if calls else case.shape
        if typed and not calls:
            first += f" {case.wire or case.dtype}"
        row = [first, power(case.size), duration(seconds)]
        if not calls:
            low, middle, high = ratios[FLOOR][:3]
            row += [
                f"{case.n_bytes / seconds / 1e9:.1f}",
                f"{middle:.2f} ({low:.2f}–{high:.2f})",
                f"{result['seconds'][COMPUTE][1] / result['seconds'][FLOOR][1]:.2f}",
                f"{ratios[COMPUTE][1]:.0%}",
            ]
        for name in shown:
            if name not in ratios:
                row.append("")
            else:
                row.append(f"{result['seconds'][name][1] * 1e9:,.0f}" if calls else f"{ratios[name][1]:.2f}")
        verdicts = judged(result, threads)
        row += ["; ".join(str(target) for target, _ in verdicts)]
        missed = [target.shortfall(result) for target, met in verdicts if not met]
        row += ["" if not verdicts else "yes" if not missed else "no: " + "; ".join(missed)]
        rows.append(row)
    return [f"## {title}", "", *_table([*head, "target", "met"], rows)]


def _unsteady(results: list[Result]) -> list[str]:
    rows = [[case_of(r).name, f"{r['spread']:.2f}"] for r in results if not steady(r)]
    if not rows:
        return []
    why = f"The machine was busy: the upper quartile of the floor was more than {STEADY} times the lower one."
    return ["## Not judged", "", why, "", *_table(["case", "upper / lower quartile"], rows)]


def _method() -> list[str]:
    best = "; ".join(f"*{name}*: {', '.join(members)}" for name, members in BEST.items())
    return ["## How it is measured", "", METHOD.replace("BEST", best)]


def duration(seconds: float) -> str:
    """Write seconds with three digits and a unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def _plain(case: Case, kind: str) -> bool:
    return case.kind == kind and case.wire is None and not case.accumulate and case.size > SMALL


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines] + [""]
