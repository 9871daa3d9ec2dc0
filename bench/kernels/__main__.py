"""Measure the kernels and write the report: ``python -m bench.kernels --report``, from the top directory.

README.md in the folder of results is the page of the fastest level. The page of each other level is named after it.
The measurements are kept as JSON beside the pages, so that ``--draw-only`` can draw them again. A report needs a C
compiler.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "results" / "kernels"
# The libraries read these when they are loaded, so they are imported only after the options are known.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def main() -> int:
    """Read the options, then measure and draw."""
    parser = argparse.ArgumentParser(prog="python -m bench.kernels", description=__doc__.splitlines()[0])
    doing = parser.add_mutually_exclusive_group(required=True)
    doing.add_argument("--report", action="store_true", help="measure, and write tables and figures")
    doing.add_argument("--draw-only", action="store_true", help="write them from earlier measurements")
    parser.add_argument("--quick", action="store_true", help="few cases and rounds, one level; under a minute")
    parser.add_argument("--level", action="append", help="measure only this level; may be repeated")
    parser.add_argument("--threads", type=int, default=1, help="threads of each contender (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="seed of data and order (default: 0)")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the report")
    options = parser.parse_args()
    if options.threads < 1:
        parser.error(f"--threads must be at least 1, got {options.threads}")
    for name in THREADS:
        os.environ[name] = str(options.threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # spinning threads would take cores from the other contenders

    from bench.kernels.run import draw, measure_levels

    try:
        if options.report:
            measure_levels(options)
        draw(options.results)
    except KeyboardInterrupt:
        print("interrupted; continue with --resume", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
