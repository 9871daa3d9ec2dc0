"""The C sources without Python: tests/c is compiled with them in several ways, and run."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
SOURCES = TESTS.parent / "src_c"
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", f"-I{SOURCES / 'include'}"]
FLAGS += ["-DGC_BYTES_PER_THREAD=((size_t)1<<20)"]  # several threads for problems of a few megabytes

pytestmark = [
    pytest.mark.skipif(not SOURCES.is_dir(), reason="the C sources are not beside the tests"),
    pytest.mark.skipif(platform.system() != "Linux", reason="the guards of memory in these tests are those of Linux"),
    pytest.mark.timeout(1200),
]

NAMES = ["arguments", "levels", "rounding", "sums", "large", "huge", "threads"]


def needs(*programs):
    """Return the mark of a test that needs these programs, which the project's own check has."""
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def build(folder, compiler, *options):
    """Compile tests/c with all of src_c; several files at a time, as some take seconds."""
    sources = [*sorted((TESTS / "c").glob("*.c")), *sorted(SOURCES.glob("*.c"))]
    waiting, running = [*sources], []
    while waiting or running:
        if waiting and len(running) < (os.cpu_count() or 1):
            source = waiting.pop()
            target = folder / f"{source.stem}.o"
            command = [compiler, *FLAGS, *options, "-c", str(source), "-o", str(target)]
            running.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        else:
            job = running.pop(0)
            output, _ = job.communicate()
            assert job.returncode == 0, output
    program = folder / "kernels_test"
    objects = [str(folder / f"{source.stem}.o") for source in sources]
    run(compiler, *options, *objects, "-lm", "-o", str(program))
    return str(program)


def run(*command, environment=None):
    result = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    assert result.returncode == 0, result.stdout[-5000:]
    return result.stdout


def assert_complete(output, *levels):
    """Check that every test has run, at these levels."""
    assert [line.split()[1] for line in output.splitlines() if line.startswith("ok ")] == NAMES
    (line,) = [line for line in output.splitlines() if line.startswith("levels:")]
    found = line.removeprefix("levels:").partition(";")[0].split()
    assert set(levels) <= set(found), line


def openmp(compiler):
    """Return the flags of OpenMP, where the compiler has it."""
    program = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n"
    command = [compiler, "-fopenmp", "-x", "c", "-", "-o", os.devnull]
    found = subprocess.run(command, input=program, text=True, capture_output=True, check=False)
    return ["-fopenmp"] if found.returncode == 0 else []


@pytest.mark.slow
@needs("cc")
def test_optimised(tmp_path):
    output = run(build(tmp_path, "cc", "-O3", *openmp("cc")))
    assert_complete(output, "base")


@pytest.mark.slow
@needs("cc")
def test_without_threads(tmp_path):
    output = run(build(tmp_path, "cc", "-O1"), "quick")
    assert_complete(output, "base")
    assert "threads: no" in output


@pytest.mark.slow
@needs("cc")
def test_under_sanitizers(tmp_path):
    flags = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", *openmp("cc")]
    output = run(build(tmp_path, "cc", *flags), "quick")
    assert_complete(output, "base")


@pytest.mark.slow
@needs("aarch64-linux-gnu-gcc", "qemu-aarch64-static")
def test_on_arm(tmp_path):
    program = build(tmp_path, "aarch64-linux-gnu-gcc", "-O3", "-static", *openmp("aarch64-linux-gnu-gcc"))
    assert_complete(run("qemu-aarch64-static", program, "quick"), "base", "neon")


@pytest.mark.slow
@needs("cc")
def test_a_wrong_kernel_is_found(tmp_path):
    """One that leaves out the last stream of a pass: the tests above can fail."""
    broken = tmp_path / "src_c"
    shutil.copytree(SOURCES, broken)
    body = broken / "gc_strip_body.h"
    loop = "for (size_t k = 0; k < n; k++, w += weights_stride)"
    assert body.read_text().count(loop) == 1
    body.write_text(body.read_text().replace(loop, loop.replace("k < n;", "k + (n > 6) < n;")))
    sources = [*sorted((TESTS / "c").glob("*.c")), *sorted(broken.glob("*.c"))]
    program = str(tmp_path / "kernels_test")
    run("cc", *FLAGS, "-O1", *map(str, sources), "-lm", "-o", program)
    result = subprocess.run([program, "quick", "sums"], capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert result.stderr.startswith("FAILED: ")
    assert "base" in result.stderr
