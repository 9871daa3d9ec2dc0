"""Coded rounds in threads. Stragglers are held back by events, so nothing here depends on who is fast."""

from __future__ import annotations

import signal
import threading

import numpy as np
import pytest
from contract import straggler_patterns

import gradcode.local
from gradcode import CyclicRepetition, Grouped, LinearCode, Uncoded, YeAbbe, design
from gradcode.errors import GradCodeError, WorkerFailed
from gradcode.rounds import task_seed

ROWS, SIZE = 23, 10


def workers_alive():
    return [thread for thread in threading.enumerate() if thread.name.startswith("gradcode-worker-")]


@pytest.fixture(autouse=True)
def _nobody_is_left():
    assert workers_alive() == []
    yield
    for thread in workers_alive():
        thread.join(30)
    assert workers_alive() == []


class Gates:
    """Holds workers back until the gate of their round is opened; all are open once the test is done.

    In round 0 the other workers go on when the held ones stand at their gates: the round cannot end before they are
    busy with it.
    """

    def __init__(self, *held):
        self._gates = {key: threading.Event() for key in held}
        self._reached = {key: threading.Event() for key in held if key[1] == 0}

    def __enter__(self):
        return self

    def __exit__(self, *details):
        for key in self._gates:
            self.open(*key)

    def open(self, worker, round):
        self._gates[worker, round].set()

    def pass_through(self, task):
        key = task.worker, task.round
        if key in self._reached:
            self._reached[key].set()
        elif task.round == 0:
            for reached in self._reached.values():
                reached.wait()
        if key in self._gates:
            self._gates[key].wait()


def least_squares(dtype="float64"):
    """Loader, gradient function and its sum over all rows, by other means."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((ROWS, SIZE)).astype(dtype), rng.standard_normal(ROWS).astype(dtype)

    def load(subset):
        rows = subset.slice(ROWS)
        return X[rows], y[rows]

    def gradient(params, task):
        X, y = task.data
        residual = X @ params - y
        return X.T @ residual, {"loss": 0.5 * float(residual @ residual), "rows": len(y)}

    def plain(params):
        residual = X.astype(float) @ params - y
        return 0.5 * residual @ residual, X.T.astype(float) @ residual

    return load, gradient, plain


def tolerance(scheme, dtype="float64"):
    """Rounding of row sums, messages and weights: terms times eps, the squared condition, and a generous |g|."""
    worst = max(
        np.linalg.cond(system.matrix[:, [w not in lost for w in system.workers]])
        for lost in straggler_patterns(scheme)
        for system in scheme.systems
    )
    terms = ROWS + SIZE + scheme.n_workers + scheme.communication
    return terms * np.finfo(dtype).eps * worst**2 * ROWS * SIZE


SCHEMES = [
    Uncoded(3),
    design(4, stragglers=1, communication=1),
    design(6, stragglers=1, communication=2),
    design(6, stragglers=2, communication=1),
    design(3, stragglers=0, communication=3),
    Grouped(5, LinearCode([[1.0, 0.5, 2.0, -1.0, 1.5], [1.0, -1.0, 0.5, 1.0, 2.0]])),
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
def test_sums_are_exact_regardless_of_who_never_answers(scheme, dtype):
    load, gradient, plain = least_squares(dtype)
    params = np.linspace(-1, 1, SIZE).astype(dtype)
    loss, expected = plain(params)
    for lost in straggler_patterns(scheme):
        with Gates(*[(worker, round) for worker in lost for round in range(3)]) as gates:

            def held_back(params, task, gates=gates):
                gates.pass_through(task)
                return gradient(params, task)

            def main(cluster, gates=gates):
                with gates:
                    return [cluster.value_and_gradient(params) for _ in range(3)], cluster.log

            results, log = gradcode.local.run(main, scheme, held_back, gradient_size=SIZE, data=load, dtype=dtype)
        for value, vector in results:
            assert vector.dtype == dtype
            np.testing.assert_allclose(vector, expected, rtol=0, atol=tolerance(scheme, dtype))
            np.testing.assert_allclose(value, loss, rtol=0, atol=tolerance(scheme, dtype))
        for record in log:
            assert set(lost) <= set(record.late) and not set(lost) & set(record.used)
            assert record.scalars["rows"] == ROWS  # each share once, however many hold it


def test_a_late_result_is_discarded_and_the_straggler_comes_back():
    scheme = design(2, stragglers=1, communication=1)
    with Gates((1, 0), (0, 1)) as gates:

        def gradient(params, task):
            gates.pass_through(task)
            return params.copy()

        def main(cluster):
            first = cluster.gradient(np.full(SIZE, 1.0))
            gates.open(1, 0)  # its answer to the round that is over comes now, and then only worker 1 can answer
            second = cluster.gradient(np.full(SIZE, 2.0))
            with gates:
                return first, second, cluster.log

        first, second, log = gradcode.local.run(main, scheme, gradient, gradient_size=SIZE)
    np.testing.assert_allclose(first, 1.0, rtol=1e-15)
    np.testing.assert_allclose(second, 2.0, rtol=1e-15)
    assert [(record.used, record.late) for record in log] == [((0,), (1,)), ((1,), (0,))]


def test_a_worker_learns_that_its_round_is_over_and_may_return_none():
    answers, asked = {}, threading.Event()
    with Gates((1, 0)) as gates:

        def gradient(params, task):
            gates.pass_through(task)
            answers[task.worker] = task.wanted()
            if task.worker == 1:
                asked.set()
            return params.copy() if task.wanted() else None

        def main(cluster):
            cluster.gradient(np.ones(SIZE))
            gates.open(1, 0)
            asked.wait()  # after main, no worker is wanted any more

        gradcode.local.run(main, design(2, stragglers=1, communication=1), gradient, gradient_size=SIZE)
    assert answers == {0: True, 1: False}


def test_a_worker_that_abandoned_a_round_takes_part_in_the_next():
    with Gates((1, 0), (0, 1)) as gates:

        def gradient(params, task):
            gates.pass_through(task)
            return params.copy() if task.wanted() else None

        def main(cluster):
            with gates:
                cluster.gradient(np.ones(SIZE))
                gates.open(1, 0)
                cluster.gradient(np.ones(SIZE))
            return [record.used for record in cluster.log]

        scheme = design(2, stragglers=1, communication=1)
        assert gradcode.local.run(main, scheme, gradient, gradient_size=SIZE) == [(0,), (1,)]


@pytest.mark.parametrize("chunks", [1, 3, 40])
def test_chunks_of_a_share_add_up(chunks):
    scheme = design(6, stragglers=1, communication=2)
    load, gradient, plain = least_squares()
    params = np.linspace(-1, 1, SIZE)
    value, vector = gradcode.local.run(
        lambda cluster: cluster.value_and_gradient(params),
        scheme,
        gradient,
        gradient_size=SIZE,
        data=load,
        chunks=chunks,
    )
    np.testing.assert_allclose(vector, plain(params)[1], rtol=0, atol=tolerance(scheme))
    np.testing.assert_allclose(value, plain(params)[0], rtol=0, atol=tolerance(scheme))


WIRE_UNITS = {"float16": 2.0**-11, "bfloat16": 2.0**-8}  # the largest relative error of one rounding


@pytest.mark.filterwarnings("ignore::gradcode.errors.PrecisionWarning")  # of the few digits that such messages have
@pytest.mark.parametrize("wire_dtype", WIRE_UNITS)
@pytest.mark.parametrize("chunks", [1, 3])
@pytest.mark.parametrize("scheme", [*SCHEMES, CyclicRepetition(5, 2), YeAbbe(6, 4, 2, 2, "harmonic")], ids=repr)
def test_messages_of_16_bits_are_rounded_once(scheme, chunks, wire_dtype):
    load, gradient, plain = least_squares("float32")
    params = np.linspace(-1, 1, SIZE, dtype=np.float32)
    lost = straggler_patterns(scheme)[-1]
    with Gates(*[(worker, 0) for worker in lost]) as gates:

        def held_back(params, task):
            if task.chunk == 0:
                gates.pass_through(task)
            return gradient(params, task)

        def main(cluster):
            with gates:
                return *cluster.value_and_gradient(params), cluster.log[0]

        loss, vector, record = gradcode.local.run(
            main,
            scheme,
            held_back,
            gradient_size=SIZE,
            data=load,
            dtype="float32",
            wire_dtype=wire_dtype,
            chunks=chunks,
        )
    messages = []
    for worker in record.used:
        held = []
        for subset in scheme.subsets(worker):
            X, y = (array.astype(float) for array in load(subset))
            held.append(X.T @ (X @ params - y))
        messages.append(scheme.encode(worker, held[0] if scheme.summed else held))
    # A message is off by a rounding, of numbers no nearer to each other than the smallest of float16.
    off = np.abs(scheme.weights(record.used)) @ (WIRE_UNITS[wire_dtype] * np.abs(messages) + 2.0**-25)
    error = np.abs(vector - plain(params)[1])
    assert vector.dtype == np.float32
    assert (error <= off.reshape(-1)[:SIZE] + tolerance_of(scheme, "float32")).all(), (error, off)
    assert error.max() > np.linalg.norm(off) / 1000, "nothing was rounded to 16 bits"
    assert loss == pytest.approx(plain(params)[0], rel=1e-5)  # scalars are not rounded so
    message_bytes = 2 * scheme.message_size(SIZE, "float32")
    assert record.bytes_up >= len(record.used) * message_bytes and record.bytes_up % message_bytes == 0


def tolerance_of(scheme, dtype):
    """Like `tolerance`, with the worst condition of the scheme: for cyclic schemes, of the weighted messages."""
    return (
        (ROWS + SIZE + scheme.n_workers * scheme.communication)
        * np.finfo(dtype).eps
        * ROWS
        * SIZE
        * float(scheme.worst_condition())
    )


def test_a_sum_that_float16_cannot_send_is_refused_by_name_and_others_are_not():
    outcomes = {}
    for wire_dtype in ("float16", "bfloat16", None):

        def main(cluster, wire_dtype=wire_dtype):
            assert cluster.wire_dtype == wire_dtype
            try:
                outcomes[wire_dtype] = cluster.gradient(np.array([7e4, 1.0], np.float32))
            except GradCodeError as error:
                outcomes[wire_dtype] = str(error)
            return cluster.gradient(np.ones(2, np.float32)), len(cluster.log)

        total, rounds = gradcode.local.run(
            main,
            Uncoded(3),
            lambda params, task: params.copy(),
            gradient_size=2,
            dtype="float32",
            wire_dtype=wire_dtype,
        )
        np.testing.assert_array_equal(total, 3.0)
        assert rounds == 2
    assert outcomes["float16"] == (
        "the sum of all gradients must be finite, but 1 of its 2 elements are not in round 0, with messages of "
        "float16, which holds numbers up to 65504; send bfloat16 or float32, unless a gradient was not finite itself"
    )
    np.testing.assert_allclose(outcomes["bfloat16"], [21e4, 3], rtol=WIRE_UNITS["bfloat16"])
    np.testing.assert_allclose(outcomes[None], [21e4, 3], rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_is_refused_with_messages_of_16_bits(value):
    with pytest.raises(
        GradCodeError, match=r"1 of its 3 elements .* with messages of bfloat16, .*; send float32, unless"
    ):
        gradcode.local.run(
            lambda cluster: cluster.gradient(np.array([1, value, 1], np.float32)),
            Uncoded(2),
            lambda params, task: params.copy(),
            gradient_size=3,
            dtype="float32",
            wire_dtype="bfloat16",
        )


def test_numbers_whose_sum_overflows_are_finite_themselves():
    huge = np.full(64, 3e38, np.float32)
    total = gradcode.local.run(
        lambda cluster: cluster.gradient(huge),
        Uncoded(1),
        lambda params, task: params.copy(),
        gradient_size=64,
        dtype="float32",
        wire_dtype="bfloat16",
    )
    np.testing.assert_allclose(total, huge, rtol=WIRE_UNITS["bfloat16"])


def test_between_two_chunks_a_worker_gives_up_a_round_that_is_over():
    computed = []
    with Gates((1, 0)) as gates:

        def gradient(params, task):
            computed.append((task.worker, task.chunk))
            gates.pass_through(task)
            return params.copy()

        def main(cluster):
            cluster.gradient(np.ones(SIZE))
            gates.open(1, 0)

        gradcode.local.run(main, design(2, stragglers=1, communication=1), gradient, gradient_size=SIZE, chunks=3)
    assert sorted(computed) == [(0, 0), (0, 1), (0, 2), (1, 0)]


def test_all_replicas_of_a_task_draw_the_same_seed():
    seen = set()

    def gradient(params, task):
        seen.add((task.round, task.subset.index, task.chunk, task.worker, task.seed))
        return params.copy()

    for scheme, replicas in [(Uncoded(3), 1), (design(4, stragglers=1, communication=3), 3)]:
        seen.clear()
        gradcode.local.run(
            lambda cluster: [cluster.gradient(np.ones(SIZE)) for _ in range(3)],
            scheme,
            gradient,
            gradient_size=SIZE,
            chunks=2,
            seed=5,
        )
        assert {(r, i, c, seed) for r, i, c, _, seed in seen} == {
            (r, i, c, task_seed(5, r, i, c)) for r in range(3) for i in range(scheme.n_subsets) for c in range(2)
        }
        assert len({worker for r, i, _, worker, _ in seen if (r, i) == (0, 0)}) >= replicas


def test_the_log_counts_what_was_handed_over():
    scheme = Uncoded(3)
    (record,) = gradcode.local.run(
        lambda cluster: (cluster.gradient(np.ones(SIZE)), cluster.log)[1],
        scheme,
        lambda params, task: params.copy(),
        gradient_size=SIZE,
    )
    assert (record.used, record.late) == ((0, 1, 2), ())
    assert record.bytes_down == record.bytes_up == 3 * SIZE * 8
    assert len(record.compute_seconds) == 3 and 0 < max(record.compute_seconds) <= record.seconds


def test_the_parameters_are_read_only_and_a_straggler_keeps_those_of_its_round():
    seen = {}
    with Gates((1, 0)) as gates:

        def gradient(params, task):
            gates.pass_through(task)
            assert not params.flags.writeable
            seen[task.worker] = params.copy()
            return params.copy()

        def main(cluster):
            params = np.ones(SIZE)
            first = cluster.gradient(params)
            params[:] = 5  # the caller's array is free on return
            gates.open(1, 0)
            return first

        total = gradcode.local.run(main, design(2, stragglers=1, communication=1), gradient, gradient_size=SIZE)
    np.testing.assert_allclose(total, 1.0, rtol=1e-15)
    assert sorted(seen) == [0, 1] and all((params == 1).all() for params in seen.values())


def ones(cluster):
    return cluster.gradient(np.ones(SIZE))


def raises_in_gradient(params, task):
    if task.worker == 1:
        raise ZeroDivisionError("in the gradient")
    return params.copy()


def leaves(params, task):
    raise SystemExit(3)


def raises_in_load(subset):
    raise FileNotFoundError("no such share")


@pytest.mark.parametrize(
    ("gradient", "load", "text"),
    [
        (raises_in_gradient, None, "ZeroDivisionError: in the gradient"),
        (leaves, None, "SystemExit: 3"),
        (lambda params, task: params.copy(), raises_in_load, "FileNotFoundError: no such share"),
        (lambda params, task: None, None, "gradient returned None though task.wanted"),
        (lambda params, task: np.ones(4), None, r"array of shape \(10,\), got shape \(4,\)"),
        (lambda params, task: np.ones(SIZE, "f4"), None, "contiguous float64 array .* got dtype float32"),
        (lambda params, task: (params.copy(), {"loss": "high"}), None, "scalar 'loss' must be a number, got 'high'"),
    ],
)
def test_what_the_users_code_raises_reaches_main_with_its_traceback(gradient, load, text):
    def main(cluster):
        with pytest.raises(WorkerFailed, match=text) as first:
            ones(cluster)
        with pytest.raises(WorkerFailed) as second:  # the cluster has failed for good
            ones(cluster)
        assert second.value is first.value
        raise first.value

    with pytest.raises(WorkerFailed) as caught:
        gradcode.local.run(main, Uncoded(2), gradient, gradient_size=SIZE, data=load)
    assert caught.value.worker in (0, 1)
    assert "Traceback (most recent call last)" in caught.value.traceback
    if load is not None or gradient in (raises_in_gradient, leaves):
        assert f"in {(load or gradient).__name__}" in caught.value.traceback
    assert workers_alive() == []


def test_a_failure_that_comes_too_late_is_logged(caplog):
    with Gates((1, 0)) as gates:

        def gradient(params, task):
            gates.pass_through(task)
            return params.copy() if task.worker == 0 else 1 / 0

        def main(cluster):
            result = ones(cluster)
            gates.open(1, 0)
            return result

        scheme = design(2, stragglers=1, communication=1)
        np.testing.assert_allclose(gradcode.local.run(main, scheme, gradient, gradient_size=SIZE), 1, rtol=1e-15)
    assert "worker 1 failed, too late to matter" in caplog.text and "ZeroDivisionError" in caplog.text


def test_what_main_raises_passes_through_and_the_threads_end():
    class Mine(Exception):
        """The user's own."""

    def main(cluster):
        ones(cluster)
        raise Mine

    with pytest.raises(Mine):
        gradcode.local.run(main, SCHEMES[2], lambda params, task: params.copy(), gradient_size=SIZE)
    assert workers_alive() == []


def test_the_cluster_is_of_no_use_after_main():
    loading = threading.Event()
    try:
        kept = gradcode.local.run(
            lambda cluster: cluster,
            Uncoded(2),
            lambda params, task: params.copy(),
            gradient_size=SIZE,
            data=lambda subset: loading.wait(),
            goodbye_seconds=0,
        )
        for call in (lambda: ones(kept), kept.wait_for_workers):  # neither waits for what will never come
            with pytest.raises(GradCodeError, match="the run is over"):
                call()
    finally:
        loading.set()


def test_a_worker_that_hangs_is_left_behind(caplog):
    with Gates((1, 0)) as gates:

        def gradient(params, task):
            gates.pass_through(task)
            return params.copy()

        scheme = design(2, stragglers=1, communication=1)
        result = gradcode.local.run(ones, scheme, gradient, gradient_size=SIZE, goodbye_seconds=0)
        np.testing.assert_allclose(result, 1.0, rtol=1e-15)
        assert "gradcode-worker-1" in [thread.name for thread in workers_alive()]
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert warning.name == "gradcode" and "1 have not ended; left behind" in warning.getMessage()


SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("signum", SIGNALS)
def test_an_interrupted_round_is_given_up_and_the_next_one_works(signum):
    before = [signal.getsignal(s) for s in SIGNALS]
    with Gates((0, 0), (1, 0)) as gates:

        def gradient(params, task):
            if task.round == 0 and task.worker == 1:
                signal.raise_signal(signum)
            gates.pass_through(task)
            return params.copy() if task.wanted() else None

        def main(cluster):
            with pytest.raises(KeyboardInterrupt):
                ones(cluster)
            with gates:
                pass
            return ones(cluster), [record.round for record in cluster.log]

        total, rounds = gradcode.local.run(main, Uncoded(2), gradient, gradient_size=SIZE)
    np.testing.assert_array_equal(total, 2.0)
    assert rounds == [1]
    assert [signal.getsignal(s) for s in SIGNALS] == before


@pytest.mark.parametrize("signum", SIGNALS)
def test_outside_of_a_round_an_interrupt_is_raised_at_once_and_passes_through(signum):
    before = [signal.getsignal(s) for s in SIGNALS]
    reached = []

    def main(cluster):
        ones(cluster)
        signal.raise_signal(signum)
        reached.append("after the signal")

    with pytest.raises(KeyboardInterrupt):
        gradcode.local.run(main, Uncoded(2), lambda params, task: params.copy(), gradient_size=SIZE)
    assert reached == [] and workers_alive() == []
    assert [signal.getsignal(s) for s in SIGNALS] == before


def test_an_interrupt_ends_the_wait_for_a_worker_that_hangs_and_keeps_the_result():
    with Gates((1, 0)) as gates:

        def gradient(params, task):
            gates.pass_through(task)
            return params.copy()

        def main(cluster):
            result = ones(cluster)
            with cluster.interrupts.deferred():
                signal.raise_signal(signal.SIGINT)  # not consumed before the goodbye
            return result

        scheme = design(2, stragglers=1, communication=1)
        result = gradcode.local.run(main, scheme, gradient, gradient_size=SIZE, goodbye_seconds=1e9)
    np.testing.assert_allclose(result, 1.0, rtol=1e-15)


def test_a_run_outside_the_main_thread_leaves_the_signals_alone():
    results = []

    def other():
        results.append(gradcode.local.run(ones, Uncoded(2), lambda params, task: params.copy(), gradient_size=SIZE))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    np.testing.assert_array_equal(results, [np.full(SIZE, 2.0)])


def test_runs_may_be_nested():
    scheme = design(2, stragglers=1, communication=1)

    def gradient(params, task):
        return params.copy()

    def main(cluster):
        inner = gradcode.local.run(ones, scheme, gradient, gradient_size=SIZE)
        return cluster.gradient(inner)

    np.testing.assert_allclose(gradcode.local.run(main, scheme, gradient, gradient_size=SIZE), 1.0, rtol=1e-14)


def test_threads_that_cannot_be_started_leave_none_behind(monkeypatch):
    start = threading.Thread.start

    def refuse_the_third(thread):
        if thread.name == "gradcode-worker-2":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_the_third)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        gradcode.local.run(ones, Uncoded(4), lambda params, task: params.copy(), gradient_size=SIZE)
    assert workers_alive() == []


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"main": 3}, TypeError, "main must be callable, got int"),
        ({"gradient": None}, TypeError, "gradient must be callable, got NoneType"),
        ({"data": "rows"}, TypeError, "data must be a callable that loads a subset, got str"),
        ({"scheme": 4}, TypeError, "scheme must be a GradientCode, got int"),
        ({"gradient_size": 0}, ValueError, "gradient_size must be an integer of at least 1, got 0"),
        ({"dtype": "float16"}, TypeError, "dtype must be one of float32, float64, got float16"),
        ({"wire_dtype": "bfloat16"}, ValueError, "wire_dtype must be None with dtype float64, got bfloat16"),
        (
            {"dtype": "float32", "wire_dtype": "int8"},
            ValueError,
            "wire_dtype must be None, float16 or bfloat16, got 'int8'",
        ),
        ({"chunks": 0}, ValueError, "chunks must be an integer of at least 1, got 0"),
        ({"seed": -1}, ValueError, "seed must be an integer of at least 0, got -1"),
        ({"goodbye_seconds": -1}, ValueError, "goodbye_seconds must be a finite number of at least 0, got -1"),
    ],
)
def test_bad_arguments_are_refused_before_any_thread_starts(options, error, text, monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", lambda thread: pytest.fail("a thread was started"))
    arguments = {"main": ones, "scheme": Uncoded(2), "gradient": lambda params, task: params.copy()}
    arguments |= {"gradient_size": SIZE} | options
    with pytest.raises(error, match=text):
        gradcode.local.run(**arguments)
