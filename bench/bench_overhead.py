"""Time calls at tiny sizes, where the call itself dominates; ``nothing`` is a builtin that does nothing."""

import pytest

from bench.kernels import cases

NAMES = [
    *("nothing", "gradcode", "gc_core", "numpy fresh", "numpy list", "torch list", "numpy array"),
    *("numpy packed", "scipy packed", "torch packed", "numba packed"),
]
CASES = [
    case
    for size in (cases.TINY, 100, cases.SMALL)
    for case in (cases.encode((1, 4), size), cases.decode((2, 2), size), cases.decode((4, 20), size))
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.kind}{c.parts}x{c.inputs}l{c.size}")
def bench_overhead(contend, case, name):
    contend(case, name)
