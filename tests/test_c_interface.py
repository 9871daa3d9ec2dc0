"""Programs in C and Cython use the kernels: each example is compiled as its comment says, and run."""

import ctypes
import importlib.machinery
import importlib.util
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

import gc_core
import gc_core.kernels

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "docs" / "examples"
COMPILER = shutil.which("cc")
WARNINGS = ["-Wall", "-Wextra", "-Werror"]

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler")
needs_headers = pytest.mark.skipif(
    not Path(sysconfig.get_path("include"), "Python.h").is_file(), reason="there are no headers of Python"
)
needs_sources = pytest.mark.skipif(not (ROOT / "src_c").is_dir(), reason="the C sources are not beside the tests")
needs_examples = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the examples are not beside the tests")


def run(*command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=200)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def build_extension(source, folder, *options):
    """Compile one file as an extension of this Python, by what it says about itself, and import it."""
    target = folder / (source.stem + sysconfig.get_config_var("EXT_SUFFIX"))
    dynamic = ["-bundle", "-undefined", "dynamic_lookup"] if sys.platform == "darwin" else ["-shared"]
    includes = [f"-I{sysconfig.get_path('include')}", f"-I{gc_core.get_include()}"]
    run(COMPILER, "-std=c11", "-O2", "-fPIC", *dynamic, *includes, *options, source, "-o", target)
    loader = importlib.machinery.ExtensionFileLoader(source.stem, str(target))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(source.stem, loader))
    loader.exec_module(module)
    return module


@pytest.mark.slow  # it compiles all kernels
@needs_compiler
@needs_sources
@needs_examples
def test_a_program_in_c(tmp_path):
    program = tmp_path / "survivors"
    include = ROOT / "src_c" / "include"
    sources = sorted((ROOT / "src_c").glob("gc_*.c"))
    run(COMPILER, "-std=c11", "-O1", f"-I{include}", EXAMPLES / "c" / "survivors.c", *sources, "-o", program)
    level, result = run(program).strip().split(":")
    assert level == f"level {gc_core.cpu.available_levels()[-1]}"
    assert result == " 1 2 3 4 5 6 7 8 9"


@pytest.fixture(scope="module")
def axpy(tmp_path_factory):
    return build_extension(EXAMPLES / "c" / "axpy.c", tmp_path_factory.mktemp("axpy"), *WARNINGS).axpy


@needs_compiler
@needs_headers
@needs_examples
@pytest.mark.parametrize("size", [0, 1, 1000, 1 << 20])
def test_an_extension_in_c(axpy, rng, size):
    x, before = rng.standard_normal((2, size), dtype=np.float32)
    out = before.copy()
    axpy(0.5, x, out)  # a product by a power of two is exact, so that one rounding is left
    assert np.array_equal(out, before + np.float32(0.5) * x)


@needs_compiler
@needs_headers
@needs_examples
def test_an_extension_in_c_refuses(axpy):
    four, three = np.zeros(4, np.float32), np.zeros(3, np.float32)
    with pytest.raises(ValueError, match=r"^x must have 16 bytes like out, got 12$"):
        axpy(1, three, four)
    with pytest.raises(TypeError, match=r"^x must be float32, got format d$"):
        axpy(1, np.zeros(4), four)
    assert not four.any()


@needs_compiler
@needs_headers
@needs_examples
@pytest.mark.slow
def test_a_module_in_cython(tmp_path, rng):
    pytest.importorskip("Cython")
    generated = tmp_path / "mean.c"
    run(sys.executable, "-P", "-m", "cython", EXAMPLES / "cython" / "mean.pyx", "-o", generated)
    mean = build_extension(generated, tmp_path).mean
    vectors = [vector.copy() for vector in rng.integers(-99, 99, (4, 1001)).astype(np.float32)]
    out = np.empty(1001, np.float32)
    mean(vectors, out)
    assert np.array_equal(out, sum(vectors) / 4)  # exact: small integers, and a power of two
    with pytest.raises(ValueError, match=r"^vectors\[1\] must have 1001 elements like out, got 1$"):
        mean([vectors[0], np.zeros(1, np.float32)], out)


def test_plans_can_be_cimported(tmp_path):
    pytest.importorskip("Cython")
    source = tmp_path / "plans.pyx"
    source.write_text(
        """
from gc_core.kernels cimport plan_run
from gc_core.plans cimport DecodePlan

def decode(DecodePlan plan, const float[::1] message, float[::1] out):
    cdef const void *buffer = &message[0]
    return plan_run(plan.plan, &buffer, &out[0], False, 0)
"""
    )
    run(sys.executable, "-P", "-m", "cython", "-3", source, "-o", tmp_path / "plans.c")


def in_new_process(code):
    return subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False, timeout=60)


@needs_compiler
@needs_headers
@needs_examples
@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("del gc_core.kernels._c_api", "gc_core.kernels._c_api must exist, got a gc_core without it"),
        ("words[0] += 1", "must be of version 1 and at least {size} bytes, got version 2 and {size} bytes"),
        ("words[1] -= 8", "must be of version 1 and at least {size} bytes, got version 1 and {smaller} bytes"),
    ],
)
def test_another_interface_is_refused_at_import(tmp_path, statement, message):
    build_extension(EXAMPLES / "c" / "axpy.c", tmp_path)
    size = api_words()[1]
    code = f"""
import ctypes, sys
import gc_core
pointer = ctypes.pythonapi.PyCapsule_GetPointer
pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
words = (ctypes.c_size_t * 2).from_address(pointer(gc_core.kernels._c_api, b"gc_core.kernels._c_api"))
{statement}
sys.path.insert(0, {str(tmp_path)!r})
import axpy
"""
    error = in_new_process(code).stderr.strip().splitlines()[-1]
    assert error.startswith("ImportError: gc_core.kernels._c_api")
    assert error.endswith(message.format(size=size, smaller=size - 8))


def api_words():
    """Return version and size of the struct of functions, which begins with them."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    address = pointer(gc_core.kernels._c_api, b"gc_core.kernels._c_api")
    return list((ctypes.c_size_t * 2).from_address(address))


def test_the_capsule_has_every_function():
    version, size = api_words()
    assert version == 1
    functions = (size - 2 * ctypes.sizeof(ctypes.c_size_t)) // ctypes.sizeof(ctypes.c_void_p)
    header = Path(gc_core.get_include(), "gradcode.h").read_text()
    assert functions == header.count("\nGC_API ")


@pytest.mark.parametrize("name", ["kernels.pxd", "plans.pxd", "c_api.pxd", "status.pxd"])
def test_declarations_are_shipped(name):
    assert (Path(gc_core.__file__).parent / name).is_file()


@pytest.mark.parametrize("name", ["gradcode.h", "gradcode_import.h"])
def test_headers_are_shipped(name):
    assert (Path(gc_core.get_include()) / name).is_file()
