"""Measure the kernels and write the report: ``python -m bench.kernels --report``, from the top directory.

The page of the fastest level becomes README.md in the folder of results, those of the others are named after their
level; beside each lies what it was drawn from, so that ``--draw-only`` can draw it again. A C compiler is needed.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "results" / "kernels"
# Read when the libraries are loaded, which is therefore not before the options are known.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def main() -> int:
    """Read the options, and hand over."""
    parser = argparse.ArgumentParser(prog="python -m bench.kernels", description=__doc__.splitlines()[0])
    doing = parser.add_mutually_exclusive_group(required=True)
    doing.add_argument("--report", action="store_true", help="measure, and write tables and figures")
    doing.add_argument("--draw-only", action="store_true", help="write them from what was measured before")
    parser.add_argument("--quick", action="store_true", help="few cases and rounds, one level, in under a minute")
    parser.add_argument("--level", action="append", help="only this level; may be given again")
    parser.add_argument("--threads", type=int, default=1, help="of everybody (1)")
    parser.add_argument("--seed", type=int, default=0, help="of data and order (0)")
    parser.add_argument("--resume", action="store_true", help="go on where an interrupted run stopped")
    parser.add_argument("--results", type=Path, default=RESULTS, help="another folder")
    options = parser.parse_args()
    if options.threads < 1:
        parser.error(f"--threads must be at least 1, got {options.threads}")
    for name in THREADS:
        os.environ[name] = str(options.threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that spin would steal the others' cores

    from bench.kernels.run import draw, measure_levels

    try:
        if options.report:
            measure_levels(options)
        draw(options.results)
    except KeyboardInterrupt:
        print("interrupted; --resume goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
