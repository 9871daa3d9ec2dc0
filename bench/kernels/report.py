"""The tables of a level, in Markdown, from what `measure` found."""

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
All contenders and the floor run in one process, in a new random order in each round, each with the same number of
threads. Ratios are taken within a round; tables show their median, with quartiles where there is a bracket. A target is
met if the median of the ratios or the ratio of the shortest times meets it; a loss is one by the median. What fits a
cache is called once, untimed, before each sample, and a sample is as many calls as take 40 µs. Outputs are there
before, except for `fresh`. Python's own cost of a call (a lambda, some 40 ns) is part of every time but the floor's.

* **floor**: the fastest, in each round, of four loops in C that read and write just as many bytes, as one stream or
  four, with normal or non-temporal stores. The fastest of four is a little too fast where times are noisy. `of floor`
  is its time over ours.
* **GB/s** counts every input and every output once.
* **FMA peak**: multiplying and adding in registers, with the instructions of the level, timed in each round.
  **flop/mem** is the time that the operations take at this peak over the floor: above 1, no kernel reaches the floor,
  and `of FMA peak` is what counts. `of the limit` is the larger of the two times over ours.
* **× contender**: its time over ours. `list`: from separate buffers, stacked into a buffer that is used again;
  `packed`: from a stack that is there already; `fresh`: the shortest expression, with new arrays. `gc_core` is a call
  that has not been prepared, as ours is; `scipy` is BLAS called through SciPy; `torch all 16-bit` rounds weights and
  results to 16 bits, which is not the same result; `gradcode float32` is ours with messages of 32 bits; `gradcode at
  once` has all gradients at the same time; `nothing` is a compiled method that does nothing.
* `best …` in targets is the fastest, in each round, of: BEST.
* Targets were set for float32 with AVX-512. NumPy, SciPy, PyTorch and Numba use whatever the processor has, at any
  level of ours."""
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
    """Return the case that a result is of."""
    return Case(**result["case"])


def steady(result: Result) -> bool:
    """Whether the floor was steady enough to judge by."""
    return bool(result["spread"] <= STEADY)


def judged(result: Result, threads: int) -> list[tuple[Target, bool]]:
    """Return the targets of a case that were measured, and whether they are met."""
    pairs = [(target, target.met(result)) for target in targets(case_of(result), threads)]
    return [(target, met) for target, met in pairs if met is not None]


def report(run: dict[str, Any], images: dict[str, str], others: dict[str, str]) -> str:
    """Write the page of a level.

    Parameters
    ----------
    run : dict
        What __main__ keeps of a level: settings, machine, results.
    images : dict
        Titles and files of figures.
    others : dict
        Levels and files of the other pages.
    """
    results, threads = run["results"], run["threads"]
    sound = [result for result in results if steady(result)]
    lines = [
        f"# What the kernels cost: level {run['level']}",
        "",
        f"`python -m bench.kernels --report{' --quick' if run['quick'] else ''}` wrote this on {run['date']}: "
        f"{threads} thread{'s' * (threads > 1)} each, seed {run['seed']}, load {run['load']} at the start. How it is "
        "measured: [below](#how-it-is-measured).",
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
    first = "1. Decoding 1e7 elements against `W @ np.stack(messages)` with a new output"
    if goals:
        met = sum(bool(goal.met(result)) for result, goal in goals if steady(result))
        each = ", ".join(
            f"{case_of(result).shape} {goal.reached(result):.1f}×{_verdict(result, goal)}" for result, goal in goals
        )
        first += (
            f", for (m, S) up to m·S = {MODERATE}: at least {NAIVE_LEAST:g} times as fast, {NAIVE_LEAST_MANY:g} times "
            f"from S = {MANY_MESSAGES} on. Met by {met} of {len(goals)}: {each}."
        )
    else:
        first += ": not measured."
    lines = ["## The two goals", "", first]
    slower = len({case for case, against, _ in losses(sound) if against.startswith(NUMPY)})
    verdict = (
        f"missed in {slower} of {len(sound)} cases, listed below" if slower else f"met in {len(sound)} of {len(sound)}"
    )
    return [*lines, f"2. Nowhere slower than NumPy or SciPy by more than 10 %: {verdict}.", ""]


def _verdict(result: Result, goal: Target) -> str:
    return " (not judged)" if not steady(result) else "" if goal.met(result) else " (missed)"


def _missed(results: list[Result], threads: int) -> list[str]:
    all_of_them = [(result, *pair) for result in results for pair in judged(result, threads)]
    rows = [[case_of(r).name, str(t), t.shortfall(r)] for r, t, met in all_of_them if not met]
    lines = ["## Targets", "", f"{len(all_of_them) - len(rows)} of {len(all_of_them)} are met."]
    if rows:
        return [*lines[:-1], lines[-1] + " These are not:", "", *_table(["case", "target", "reached"], rows)]
    return [*lines, ""]


def losses(results: list[Result]) -> list[tuple[str, str, float]]:
    """Return (case, contender, our time / theirs) wherever that is above `LOSS`."""
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
        lines += [f"Slower than {title} by more than 10 %:{'' if rows else ' nowhere.'}", ""]
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
    why = f"The upper quartile of the floor was more than {STEADY} times the lower one: the machine was busy."
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
