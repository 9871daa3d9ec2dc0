"""Build the extensions of gc_core; everything else is declared in pyproject.toml."""

import os
import tempfile
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools._distutils.ccompiler import new_compiler
from setuptools._distutils.sysconfig import customize_compiler
from setuptools.command.build_py import build_py
from setuptools.errors import CompileError, LinkError

DEBUG = os.environ.get("GRADCODE_DEBUG", "0") == "1"
HEADERS = Path("src_c", "include")


class BuildPy(build_py):
    """Add the C headers to gc_core; an editable installation reads them where they are."""

    def run(self) -> None:
        """Copy the package, then the headers."""
        super().run()
        if not self.editable_mode:
            for source, target in self.headers().items():
                self.mkpath(str(Path(target).parent))
                self.copy_file(source, target, preserve_mode=False)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Return all files of the package, the headers included."""
        return [*super().get_outputs(include_bytecode), *([] if self.editable_mode else self.headers().values())]

    def headers(self) -> dict[str, str]:
        """Return where each header comes from and goes to."""
        package = Path(self.build_lib, "gc_core", "include")
        return {str(header): str(package / header.name) for header in sorted(HEADERS.glob("*.h"))}


def has_openmp() -> bool:
    """Return whether the compiler has OpenMP; without it, the kernels use one thread."""
    if os.environ.get("GRADCODE_OPENMP", "1") == "0":
        return False
    compiler = new_compiler()
    customize_compiler(compiler)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "openmp.c")
        source.write_text("#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n")
        try:
            objects = compiler.compile([str(source)], output_dir=folder, extra_preargs=["-fopenmp"])
            compiler.link_executable(objects, str(Path(folder, "openmp")), extra_preargs=["-fopenmp"])
        except (CompileError, LinkError):
            print("no OpenMP: the kernels will use one thread")
            return False
    return True


def extension(name: str, *c_sources: str, openmp: bool = False) -> Extension:
    """Return the extension of one .pyx file and the C files that it owns."""
    flags = ["-fopenmp"] if openmp else []
    return Extension(
        f"gc_core.{name}",
        sources=[f"gc_core/{name}.pyx", *(f"src_c/{source}" for source in c_sources)],
        include_dirs=[str(HEADERS), "src_c", numpy.get_include()],
        depends=sorted(str(header) for header in Path("src_c").rglob("*.h")),
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
        # No -march: a wheel must run anywhere; fast variants choose their instructions per function.
        # No -ffast-math: NaN and infinity must come through, and sums keep their order.
        # Cython's C for inline functions of .pxd files would warn about functions that nobody calls.
        # -g0 undoes the -g that Python itself was compiled with: debug information is ten times the code.
        extra_compile_args=[
            *("-std=c11", "-O3", "-Wall", "-Wextra", "-Wno-unused-function", "-fvisibility=hidden"),
            "-g" if DEBUG else "-g0",
            *flags,
        ],
        extra_link_args=flags,
    )


# Each C file belongs to exactly one extension, so that the level in use exists once in a process.
extensions = [
    extension("status", "gc_status.c"),
    extension("checks"),
    extension(
        "kernels",
        *("gc_entry.c", "gc_plan.c", "gc_level.c", "gc_threads.c"),
        *("gc_base.c", "gc_neon.c", "gc_avx2.c", "gc_avx512.c"),
        openmp=has_openmp(),
    ),
    extension("calls"),
    extension("plans"),
    extension("subsystems"),
]

setup(
    cmdclass={"build_py": BuildPy},
    ext_modules=cythonize(
        extensions,
        include_path=["python"],
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
