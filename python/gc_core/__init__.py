"""The compiled part of gradcode: encode, decode and solve on NumPy arrays.

=====================  ====================================================  ==============================
Module                 Contents                                              C or Cython sources
=====================  ====================================================  ==============================
`gc_core.calls`        `encode`, `decode`                                    `gc_core/calls.pyx`
`gc_core.plans`        `EncodePlan`, `DecodePlan`                            `gc_core/plans.pyx`
`gc_core.subsystems`   `solve`: decoding weights of the survivors            LAPACK and BLAS of SciPy
`gc_core.cpu`          level and number of threads: ask and set
`gc_core.kernels`      the C kernels, for Cython and C                       `src_c`, except `gc_status.c`
`gc_core.status`       `check`, `KernelError`                                `src_c/gc_status.c`
`gc_core.checks`       checks of arguments, for the modules above
=====================  ====================================================  ==============================

The environment variables ``GRADCODE_LEVEL`` and ``GRADCODE_NUM_THREADS`` set the level and the number of threads.
"""

from pathlib import Path

try:
    from gc_core import cpu
    from gc_core.calls import decode, encode
    from gc_core.plans import DecodePlan, EncodePlan
    from gc_core.status import KernelError
    from gc_core.subsystems import solve
except ModuleNotFoundError as error:
    if not (error.name or "").startswith("gc_core."):
        raise
    raise ImportError(
        f"gc_core is not compiled in {Path(__file__).parent}: install the package with pip install ., "
        "or with pip install -e . to work on it"
    ) from error

__all__ = ["DecodePlan", "EncodePlan", "KernelError", "cpu", "decode", "encode", "get_include", "solve"]


def get_include() -> str:
    """Return the directory of ``gradcode.h``, for the include path of an extension that cimports `gc_core`."""
    here = Path(__file__).resolve().parent
    installed = here / "include"
    editable = here.parents[1] / "src_c" / "include"
    return str(installed if installed.is_dir() else editable)
