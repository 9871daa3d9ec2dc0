"""The cluster over a scripted engine: what it returns, records and refuses."""

from __future__ import annotations

import numpy as np
import pytest

from gradcode import CyclicRepetition, Grouped, IgnoreStragglers, YeAbbe, codes, design
from gradcode.errors import GradCodeError, WorkerFailed
from gradcode.kernels import message_type
from gradcode.rounds import Abandoned, Arrived, Cluster, Failed, Interrupts, Joined, Traffic

FLOAT64 = message_type("float64")


class ScriptedEngine:
    """Answers every model at once with the true message, unless told that a worker is slow.

    A slow worker's answer comes only with the next round (or never, if `drop` is set).
    """

    def __init__(self, scheme, gradients, slow=(), wire_dtype=None):
        self.scheme, self.gradients, self.slow, self.wire_dtype = scheme, gradients, set(slow), wire_dtype
        self.events = [Joined(w) for w in range(scheme.n_workers)]
        self.held_back, self.closed, self.models, self.usual = [], [], [], []

    def traffic(self):
        return Traffic(bytes_up=len(self.models))

    def load(self, params, usual_seconds):
        self.models.append(params.copy())
        self.usual.append(usual_seconds)
        self.events += self.held_back
        self.held_back = []

    def send(self, worker, round):
        held = self.scheme.subsets(worker)
        gradients = [self.gradients[subset.index] * self.models[-1][0] for subset in held]
        gradients = gradients[0] if self.scheme.summed else gradients
        message = self.scheme.encode(worker, gradients, wire_dtype=self.wire_dtype)
        event = Arrived(worker, round, message, tuple({"loss": float(subset.index)} for subset in held), 0.5)
        (self.held_back if worker in self.slow else self.events).append(event)

    def close(self, round, workers):
        self.closed.append((round, tuple(workers)))

    def next(self, timeout):
        if not self.events and timeout:
            self.interrupt()
        return self.events.pop(0) if self.events else None

    def interrupt(self):
        raise AssertionError("nothing will ever happen")


def cluster_for(scheme, slow=(), types=FLOAT64, **options):
    rng = np.random.default_rng(0)
    gradients = rng.standard_normal((scheme.n_subsets, 10)).astype(types.gradient)
    engine = ScriptedEngine(scheme, gradients, slow, types.wire)
    return Cluster(engine, scheme, 10, types, **options), engine, gradients.sum(axis=0)


def test_the_gradient_is_the_exact_sum_regardless_of_who_is_slow():
    scheme = design(6, stragglers=1, communication=2)
    for slow in [(), (0,), (2, 3), (5, 1)]:
        cluster, _, total = cluster_for(scheme, slow)
        for scale in (1.0, 2.0, -3.0):  # stale answers to the scale before arrive in between
            gradient = cluster.gradient(np.full(10, scale))
            np.testing.assert_allclose(gradient, scale * total, rtol=1e-13)


def test_parameters_are_copied_and_out_is_used():
    cluster, engine, total = cluster_for(design(4, stragglers=1, communication=1))
    params, out = np.ones(10), np.empty(10)
    assert cluster.gradient(params, out) is out
    params[:] = 7
    np.testing.assert_allclose(out, total)
    assert (engine.models[0] == 1).all()


def test_the_log_says_who_was_used_and_who_was_late():
    scheme = design(4, stragglers=1, communication=1)
    cluster, engine, _ = cluster_for(scheme, slow=(1, 2))
    loss, _ = cluster.value_and_gradient(np.ones(10))
    (record,) = cluster.log
    assert (record.round, record.used, record.late) == (0, (0, 3), (1, 2))
    assert record.compute_seconds == (0.5, 0.5)
    assert record.scalars == {"loss": 1.0} and loss == 1.0  # subsets 0 and 1, once each
    assert record.bytes_up == 1
    assert engine.closed == [(0, (1, 2))]


def test_a_failure_is_raised_with_worker_and_traceback_and_ends_the_cluster():
    cluster, engine, _ = cluster_for(design(4, stragglers=1, communication=1), slow=range(4))
    engine.events.append(Failed(3, "Traceback ...\nZeroDivisionError: division by zero"))
    with pytest.raises(WorkerFailed, match="worker 3 failed: ZeroDivisionError") as caught:
        cluster.gradient(np.ones(10))
    assert caught.value.worker == 3
    for call in (lambda: cluster.gradient(np.ones(10)), cluster.wait_for_workers):
        with pytest.raises(WorkerFailed):
            call()


def test_an_interrupted_round_is_given_up_and_the_next_one_works():
    interrupts = Interrupts()
    scheme = design(4, stragglers=1, communication=1)
    cluster, engine, total = cluster_for(scheme, slow=range(4), interrupts=interrupts)
    engine.interrupt = interrupts.put_back
    with pytest.raises(KeyboardInterrupt):
        cluster.gradient(np.ones(10))
    assert engine.closed == [(0, (0, 1, 2, 3))]
    engine.slow = set()
    engine.held_back = [Abandoned(w, 0) for w in range(4)]
    np.testing.assert_allclose(cluster.gradient(np.ones(10)), total)
    assert [record.round for record in cluster.log] == [1]


def test_wait_for_workers_says_who_is_missing():
    scheme = design(4, stragglers=1, communication=1)
    cluster, engine, _ = cluster_for(scheme)
    del engine.events[1]
    engine.interrupt = lambda: None
    assert cluster.wait_for_workers(timeout=0.01) == (1,)
    engine.events.append(Joined(1))
    assert cluster.wait_for_workers() == ()


@pytest.mark.parametrize(
    ("params", "error", "text"),
    [
        (np.ones(9), ValueError, r"params must have shape \(10,\), got \(9,\)"),
        (np.ones(10, np.float32), TypeError, "params must be a NumPy array of float64, got float32"),
        ([1.0] * 10, TypeError, "params must be a NumPy array of float64, got list"),
    ],
)
def test_bad_parameters_are_refused_before_any_work(params, error, text):
    cluster, engine, _ = cluster_for(design(4, stragglers=1, communication=1))
    with pytest.raises(error, match=text):
        cluster.gradient(params)
    with pytest.raises(ValueError, match=r"out must be a float64 array of shape \(10,\), got float64 \(3,\)"):
        cluster.gradient(np.ones(10), out=np.empty(3))
    assert engine.models == []


def test_value_and_gradient_needs_a_loss():
    cluster, engine, _ = cluster_for(design(2, stragglers=0, communication=1))
    engine.send = lambda worker, round: engine.events.append(Arrived(worker, round, np.zeros(10)))
    with pytest.raises(GradCodeError, match=r'needs a gradient function that returns .*"loss"'):
        cluster.value_and_gradient(np.ones(10))


def test_only_workers_in_the_sum_count_as_used():
    scheme = design(8, stragglers=2, communication=2)  # two groups of four, two of each suffice
    cluster, engine, total = cluster_for(scheme)
    order = iter([0, 1, None, 2, 4, 5])  # worker 2 comes when its group has been decoded
    answers = {}
    engine.send = lambda worker, round: answers.__setitem__(
        worker, Arrived(worker, round, scheme.encode(worker, engine.gradients[scheme.subsets(worker)[0].index]))
    )
    real_next = engine.next

    def next_event(timeout):
        if engine.events:
            return real_next(timeout)
        worker = next(order)
        return None if worker is None else answers[worker]

    engine.next = next_event
    np.testing.assert_allclose(cluster.gradient(np.ones(10)), total)
    assert cluster.log[0].used == (0, 1, 4, 5)
    assert cluster.log[0].late == (3, 6, 7)


@pytest.mark.parametrize(
    "scheme", [CyclicRepetition(6, 2), YeAbbe(6, 4, 2, 2, "harmonic"), YeAbbe(7, 4, 1, 3)], ids=repr
)
def test_cyclic_schemes_give_the_same_sums(scheme):
    for slow in [(), (0,), tuple(range(scheme.stragglers))]:
        cluster, _, total = cluster_for(scheme, slow)
        np.testing.assert_allclose(cluster.gradient(np.ones(10)), total, rtol=1e-9, atol=1e-10)
        assert cluster.log[-1].scalars == {"loss": sum(range(scheme.n_subsets))}
        assert set(cluster.log[-1].late) >= set(slow)


def test_losses_of_an_inexact_scheme_are_scaled_as_its_gradients_are():
    scheme = IgnoreStragglers(5, 2)
    cluster, engine, _ = cluster_for(scheme, slow=(1, 3))
    loss, gradient = cluster.value_and_gradient(np.ones(10))
    assert loss == pytest.approx(5 / 3 * (0 + 2 + 4))
    np.testing.assert_allclose(gradient, 5 / 3 * engine.gradients[[0, 2, 4]].sum(axis=0))


NEARLY_PARALLEL = 1e-9  # the angle of two columns: condition 2e9, too much for float64


def test_survivors_in_bad_condition_are_waited_for_with_patience(caplog):
    angle = NEARLY_PARALLEL
    scheme = Grouped(3, codes.from_generator([[1, np.cos(angle), 0], [0, np.sin(angle), 1]]))
    cluster, engine, total = cluster_for(scheme, slow=(2,), patience=1.5)
    waits = []
    engine.interrupt = lambda: waits.append(1)  # time passes, and nobody comes
    with caplog.at_level("WARNING", "gradcode"):
        np.testing.assert_allclose(cluster.gradient(np.ones(10)), total, rtol=1e-5, atol=1e-5)
    assert waits and cluster.log[-1].late == (2,)
    assert "round 0: workers 2 have not answered in time" in caplog.text
    # The usual time of a round is without the wait, so that waiting does not grow from round to round.
    for _ in range(30):
        cluster.gradient(np.ones(10))
    assert cluster.usual_seconds < 1
    assert engine.usual[0] == np.inf and 0 < engine.usual[-1] < 1  # and the engine is told
    # Somebody who does come is worth the wait.
    caplog.clear()
    patient, _, total = cluster_for(scheme, patience=1e6)
    np.testing.assert_allclose(patient.gradient(np.ones(10)), total, rtol=1e-13, atol=1e-13)
    assert not caplog.text
    with pytest.raises(ValueError, match="patience must be a finite number of at least 0, got -1"):
        cluster_for(scheme, patience=-1)


@pytest.mark.filterwarnings("ignore::gradcode.errors.PrecisionWarning")
@pytest.mark.parametrize(("wire_dtype", "waits"), [(None, False), ("float16", False), ("bfloat16", True)])
def test_messages_of_fewer_digits_wait_for_a_better_condition(wire_dtype, waits, caplog):
    scheme = Grouped(3, codes.from_generator([[1, np.cos(0.07), 0], [0, np.sin(0.07), 1]]))  # workers 0, 1: about 29
    cluster, engine, total = cluster_for(scheme, slow=(2,), types=message_type("float32", wire_dtype))
    engine.interrupt = lambda: None  # time passes, and nobody comes
    with caplog.at_level("WARNING", "gradcode"):
        gradient = cluster.gradient(np.ones(10, np.float32))
    assert ("workers 2 have not answered in time" in caplog.text) == waits
    assert cluster.log[0].used == (0, 1)
    unit = {None: 2.0**-20, "float16": 2.0**-11, "bfloat16": 2.0**-8}[wire_dtype]
    magnitudes = np.abs(scheme.weights([0, 1])) @ np.abs([scheme.encode(w, engine.gradients[0]) for w in (0, 1)])
    assert (np.abs(gradient - total) <= 2 * unit * magnitudes.ravel() + 1e-6).all()
    assert gradient.dtype == np.float32
