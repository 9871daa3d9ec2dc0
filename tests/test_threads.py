"""Several threads give the same bits as one, obey limits, survive a fork, and are started only where it pays."""

import os
import subprocess
import sys
import sysconfig
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import threadpoolctl

import gc_core
from gc_core import cpu

needs_threads = pytest.mark.skipif(not cpu.threads_available(), reason="compiled without OpenMP")
MEGABYTE = 1 << 20


@pytest.fixture
def default_threads():
    before = cpu.num_threads()
    yield
    cpu.set_num_threads(before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("threads", [2, 3, 7])
# Below and above eight megabytes, from which on there are several threads.
@pytest.mark.parametrize(
    ("shape", "stride"),
    [((1, 14), 40_000), ((2, 3), 40_000), ((4, 20), 40_000), ((1, 14), 500_007), ((2, 3), 800_007), ((4, 20), 200_007)],
)
def test_the_result_does_not_depend_on_the_number_of_threads(rng, dtype, threads, shape, stride):
    parts, count = shape
    weights = rng.standard_normal(shape).astype(dtype)
    messages = [rng.standard_normal(stride).astype(dtype) for _ in range(count)]
    length = parts * stride - 3
    with threadpoolctl.threadpool_limits(threads):
        for accumulate in (False, True):
            one, many = np.ones(length, dtype), np.ones(length, dtype)
            gc_core.decode(weights, messages, one, accumulate, num_threads=1)
            gc_core.decode(weights, messages, many, accumulate, num_threads=threads)
            assert (one == many).all()
        one, many = np.empty(stride, dtype), np.empty(stride, dtype)
        gradients = [m[: parts * (stride // parts)] for m in messages]
        gc_core.encode(weights.T.copy(), gradients, one, num_threads=1)
        gc_core.encode(weights.T.copy(), gradients, many, num_threads=threads)
        assert (one == many).all()


@needs_threads
def test_few_bytes_are_left_to_one_thread():
    with threadpoolctl.threadpool_limits(8):
        assert cpu.threads_for(0, 8) == 1
        assert cpu.threads_for(8 * MEGABYTE - 1, 8) == 1
        assert cpu.threads_for(8 * MEGABYTE, 8) == 2
        assert cpu.threads_for(20 * MEGABYTE, 8) == 5
        assert cpu.threads_for(100 * MEGABYTE, 8) == 8
        assert cpu.threads_for(100 * MEGABYTE, 10**9) == 8


@needs_threads
def test_threadpoolctl_sees_and_limits_the_threads():
    kinds = {info["user_api"] for info in threadpoolctl.threadpool_info()}
    assert "openmp" in kinds
    with threadpoolctl.threadpool_limits(1, user_api="openmp"):
        assert cpu.threads_for(100 * MEGABYTE, 8) == 1
    with threadpoolctl.threadpool_limits(3, user_api="openmp"):
        assert cpu.threads_for(100 * MEGABYTE, 8) == 3


@needs_threads
def test_the_default_of_the_process(default_threads):
    with threadpoolctl.threadpool_limits(8):
        assert cpu.num_threads() == 1 == cpu.threads_for(100 * MEGABYTE)
        cpu.set_num_threads(5)
        assert cpu.num_threads() == 5 == cpu.threads_for(100 * MEGABYTE)
        assert cpu.threads_for(100 * MEGABYTE, 2) == 2


@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (-1, ValueError), (1.0, TypeError), (True, TypeError)])
def test_wrong_numbers_are_refused(value, error, default_threads):
    for name, call in [
        ("count", cpu.set_num_threads),
        ("num_threads", lambda n: gc_core.decode(np.ones((1, 1)), [np.ones(3)], np.ones(3), num_threads=n)),
        ("num_threads", lambda n: gc_core.encode(np.ones((1, 1)), [np.ones(3)], np.ones(3), num_threads=n)),
    ]:
        with pytest.raises(error, match=f"^{name} must be an integer of at least 1, got {value}$"):
            call(value)
    assert cpu.num_threads() == 1
    with pytest.raises(TypeError, match=r"^count must be an integer of at least 1, got None$"):
        cpu.set_num_threads(None)


def test_many_python_threads_with_threads_of_their_own(rng):
    """Outputs of different sizes at once, each thread checking its own, while levels and defaults stay."""
    weights = rng.standard_normal((2, 5)).astype(np.float32)
    messages = [rng.standard_normal(500_000).astype(np.float32) for _ in range(5)]
    plan = gc_core.DecodePlan(weights, 1_000_000, 500_000, np.float32, num_threads=2)
    expected = plan.decode(messages, np.empty(1_000_000, np.float32))
    with ThreadPoolExecutor(6) as pool, threadpoolctl.threadpool_limits(2):
        tasks = [pool.submit(plan.decode, messages, np.empty(1_000_000, np.float32)) for _ in range(24)]
        assert all((task.result() == expected).all() for task in tasks)


@pytest.fixture
def frequent_switches():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def at_once(count, task):
    """Call `task(0)` ... `task(count - 1)` in as many threads, all from the same moment on; return the results."""
    barrier = threading.Barrier(count)

    def start(index):
        barrier.wait(60)
        return task(index)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(start, range(count)))


@pytest.mark.parametrize("size", [6, 60_000])  # plans keep the GIL for the first, and release it for the second
def test_everything_at_once(size, default_threads, frequent_switches):
    """Small integers: all sums are exact, whatever the level and the number of threads."""
    rng = np.random.default_rng(0)
    level = cpu.level()
    coefficients = rng.integers(-9, 10, (3, 2)).astype(np.float64)
    gradients = list(rng.integers(-9, 10, (3, size)).astype(np.float64))
    message = sum(row @ gradient.reshape(2, -1) for row, gradient in zip(coefficients, gradients, strict=True))
    weights = np.ascontiguousarray(coefficients.T)
    messages = [gradient[: size // 2].copy() for gradient in gradients]
    gradient = (weights @ np.array(messages)).ravel()
    encode_plan = gc_core.EncodePlan(coefficients, size, size // 2, "float64")
    decode_plan = gc_core.DecodePlan(weights, size, size // 2, "float64", num_threads=2)
    generator = np.array([[2.0, 0.0, 0.0], [0.0, 4.0, 0.0]])

    def task(index):
        for step in range(60):
            out, sums = np.empty(size // 2), np.empty(size)
            assert (gc_core.encode(coefficients, gradients, out) == message).all()
            assert (gc_core.decode(weights, messages, sums, num_threads=1 + index % 3) == gradient).all()
            assert (encode_plan.encode(gradients, out) == message).all()
            assert (decode_plan.decode(messages, sums) == gradient).all()
            own = gc_core.DecodePlan(weights, size, size // 2, "float64")
            assert (own.decode(messages, sums) == gradient).all()
            (found,), (rank,), (condition,) = gc_core.solve([generator], [[0, 1]])
            assert np.allclose(found, [[0.5, 0], [0, 0.25]], rtol=1e-15, atol=0) and (rank, condition) == (2, 2)
            cpu.set_num_threads(1 + (index + step) % 4)
            cpu.force_level(cpu.available_levels()[(index + step) % len(cpu.available_levels())])
            # The lists are shared: their arrays are replaced, and the old ones freed, while other threads read them.
            messages[index % 3] = messages[index % 3].copy()
            gradients[index % 3] = gradients[index % 3].copy()
        return True

    try:
        assert all(at_once(8, task))
    finally:
        cpu.force_level(level)


def test_of_many_threads_one_makes_the_plan(frequent_switches):
    plan = gc_core.EncodePlan.__new__(gc_core.EncodePlan)

    def make(index):
        try:
            plan.__init__(np.full((1, 1), 2.0), 3, 3, "float64")
        except RuntimeError as error:
            return str(error)
        return "made"

    assert sorted(at_once(8, make)) == ["a plan is made once"] * 7 + ["made"]
    assert plan.encode(np.arange(3.0), np.empty(3)).tolist() == [0, 2, 4]


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python always has a GIL")
def test_the_import_leaves_the_gil_disabled():
    """A module that is not declared safe without the GIL would enable it."""
    code = "import sys, gc_core; print(sys._is_gil_enabled())"
    result = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


FORK = """
import os, sys
import numpy as np
import gc_core
weights, messages = np.ones((1, 2)), [np.ones(500_000), np.ones(500_000)]
before = gc_core.decode(weights, messages, np.empty(500_000), num_threads=2)
child = os.fork()
if child == 0:
    after = gc_core.decode(weights, messages, np.empty(500_000), num_threads=2)
    print((after == before).all(), gc_core.cpu.threads_available(), gc_core.cpu.threads_for(10**9, 2), flush=True)
    os._exit(0)
_, status = os.waitpid(child, 0)
print(status, gc_core.cpu.threads_available())
"""


@needs_threads
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_works_with_one_thread():
    """Threads of OpenMP are lost in a fork; GNU's would be waited for for ever."""
    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    result = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", FORK],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert result.stdout.split() == ["True", "False", "1", "0", "True"]


@pytest.mark.parametrize(("value", "expected"), [("3", "3"), ("", "1"), (None, "1")])
def test_the_environment_sets_the_default(value, expected):
    assert run_with(value).stdout.strip() == expected


@pytest.mark.parametrize("value", ["0", "two", "-1", "1.5"])
def test_a_wrong_environment_fails_the_import(value):
    result = run_with(value)
    assert result.returncode != 0
    rule = f"the environment variable GRADCODE_NUM_THREADS must be an integer of at least 1, got '{value}'"
    assert f"ImportError: {rule}" in result.stderr


def run_with(value):
    environment = {key: text for key, text in os.environ.items() if key != "GRADCODE_NUM_THREADS"}
    if value is not None:
        environment["GRADCODE_NUM_THREADS"] = value
    command = [sys.executable, "-P", "-c", "import gc_core; print(gc_core.cpu.num_threads())"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
