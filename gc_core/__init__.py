"""The compiled part of gradcode: types in, status out, no policy.

`gc_core.kernels`     `encode`, `decode` on NumPy buffers, `EncodePlan`, `DecodePlan`       src_c, but for gc_status.c
`gc_core.cpu`         level and threads of the kernels: ask and set                     src_c/gc_level.c, gc_threads.c
`gc_core.status`      `check`, `KernelError`                                            src_c/gc_status.c
`gc_core.subsystems`  `solve`: weights of the survivors                                 LAPACK and BLAS of SciPy

The environment variables ``GRADCODE_LEVEL`` and ``GRADCODE_NUM_THREADS`` force a level and set the number of threads.
"""

from pathlib import Path

try:
    from gc_core import cpu
    from gc_core.kernels import DecodePlan, EncodePlan, decode, encode
    from gc_core.status import KernelError
    from gc_core.subsystems import solve
except ModuleNotFoundError as error:
    if not (error.name or "").startswith("gc_core."):
        raise
    raise ImportError(
        f"gc_core is not compiled in {Path(__file__).parent}: this source directory hides the installed package; "
        "work in another directory, use python -P, or install with pip install -e ."
    ) from error

__all__ = ["DecodePlan", "EncodePlan", "KernelError", "cpu", "decode", "encode", "get_include", "solve"]


def get_include() -> str:
    """Return the directory of ``gradcode.h``, for the include path of an extension that cimports `gc_core`."""
    here = Path(__file__).resolve().parent
    installed = here / "include"
    return str(installed if installed.is_dir() else here.parent / "src_c" / "include")  # the latter: editable


cpu._obey_environment()
