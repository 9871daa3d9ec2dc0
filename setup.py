"""Builds the compiled package gc_core; everything else is declared in pyproject.toml."""

import os
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup

DEBUG = os.environ.get("GRADCODE_DEBUG", "0") == "1"


def extension(name: str, *c_sources: str) -> Extension:
    """Return the extension of one .pyx file and the C files that it owns."""
    return Extension(
        f"gc_core.{name}",
        sources=[f"gc_core/{name}.pyx", *(f"src_c/{source}" for source in c_sources)],
        include_dirs=["src_c/include", "src_c", numpy.get_include()],
        depends=sorted(str(header) for header in Path("src_c").rglob("*.h")),
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
        # No -march: a wheel must run anywhere; fast variants choose their instructions per function.
        # No -ffast-math: NaN and infinity must come through, and sums keep their order.
        extra_compile_args=["-std=c11", "-O3", "-Wall", "-Wextra", "-fvisibility=hidden", *(["-g"] if DEBUG else [])],
    )


# Each C file belongs to exactly one extension, so that the level in use exists once in a process.
extensions = [
    extension("status", "gc_status.c"),
    extension("kernels", "gc_dispatch.c", "gc_encode_base.c", "gc_decode_base.c"),
    extension("subsystems"),
]

setup(
    packages=[*find_packages("python"), "gc_core", "gc_core.include"],
    package_dir={"": "python", "gc_core": "gc_core", "gc_core.include": "src_c/include"},
    ext_modules=cythonize(
        extensions,
        build_dir="build/cython",
        compiler_directives={
            "language_level": 3,
            "boundscheck": DEBUG,
            "wraparound": False,
            "cdivision": not DEBUG,
            "initializedcheck": DEBUG,
        },
    ),
)
