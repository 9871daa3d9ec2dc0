"""The round's state machine, without MPI, without a clock and without sleeping."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradcode import Grouped, codes, design
from gradcode.errors import ProtocolError
from gradcode.rounds import Close, Count, Rounds, Send


def machine_for(scheme):
    machine = Rounds(scheme.n_workers, scheme.survivors())
    for worker in range(scheme.n_workers):
        assert machine.join(worker) == []
    return machine


def test_a_round_ends_at_its_first_decodable_moment():
    machine = machine_for(design(4, stragglers=1, communication=1))  # groups (0, 1) and (2, 3)
    assert machine.open() == [Send(w, 0) for w in range(4)]
    assert machine.arrive(1, 0) == [Count(1)]
    assert machine.arrive(0, 0) == [Count(0)]
    assert machine.arrive(3, 0) == [Count(3), Close(0, (2,))]
    assert not machine.is_open


def test_a_late_result_does_not_count_and_its_worker_gets_the_newest_model():
    machine = machine_for(design(2, stragglers=1, communication=1))
    machine.open()
    machine.arrive(0, 0)
    assert machine.open() == [Send(0, 1)]
    machine.arrive(0, 1)
    assert machine.open() == [Send(0, 2)]
    # Worker 1 still worked on round 0; it skips round 1.
    assert machine.arrive(1, 0) == [Send(1, 2)]
    assert machine.arrive(1, 2) == [Count(1), Close(2, (0,))]


def test_a_worker_that_hangs_is_told_once():
    machine = machine_for(design(2, stragglers=1, communication=1))
    told = []
    for round_ in range(100):
        machine.open()
        told += [action for action in machine.arrive(0, round_) if isinstance(action, Close)]
    assert [close.workers for close in told] == [(1,)] + [()] * 99


def test_an_abandoned_round_only_makes_its_worker_idle():
    machine = machine_for(design(2, stragglers=1, communication=1))
    machine.open()
    machine.arrive(0, 0)
    assert machine.abandon(1, 0) == []
    assert machine.open() == [Send(0, 1), Send(1, 1)]


def test_a_worker_that_joins_late_gets_the_open_round():
    machine = Rounds(2, design(2, stragglers=1, communication=1).survivors())
    assert machine.absent == (0, 1)
    assert machine.open() == []
    assert machine.join(1) == [Send(1, 0)]
    assert machine.arrive(1, 0) == [Count(1), Close(0, ())]
    assert machine.join(0) == []
    assert machine.absent == ()


def test_a_cancelled_round_is_closed_and_counts_nothing_afterwards():
    machine = machine_for(design(2, stragglers=1, communication=1))
    machine.open()
    assert machine.cancel() == [Close(0, (0, 1))]
    assert machine.cancel() == []
    assert machine.arrive(0, 0) == []
    assert machine.open() == [Send(0, 1)]


def test_what_cannot_happen_is_refused():
    machine = machine_for(design(4, stragglers=1, communication=1))
    with pytest.raises(ProtocolError, match="worker 0 joined twice"):
        machine.join(0)
    with pytest.raises(ProtocolError, match="worker 0 answered round 0, but holds no model"):
        machine.arrive(0, 0)
    machine.open()
    with pytest.raises(RuntimeError, match="round 0 is still open"):
        machine.open()
    with pytest.raises(ProtocolError, match="worker 1 answered round 7, but holds that of round 0"):
        machine.arrive(1, 7)
    with pytest.raises(ProtocolError, match="worker 1 abandoned round 0, which is open"):
        machine.abandon(1, 0)


SCHEMES = {
    "repetition": design(6, 1, 1),
    "harmonic": design(6, 1, 2),
    "harmonic uneven": design(7, 2, 1),
    "gaussian": Grouped(9, codes.gaussian(4, 2)),
    "uncoded": design(3, 0, 1),
}


any_order = given(scheme=st.sampled_from(sorted(SCHEMES)), data=st.data())


@settings(max_examples=200, deadline=None)
@any_order
def test_any_order_of_events(scheme, data):
    check_order_of_events(scheme, data)


def check_order_of_events(scheme, data):
    """A model of workers that answer, abandon and join in any order, checked against the promises of the round."""
    scheme = SCHEMES[scheme]
    n = scheme.n_workers
    machine = Rounds(n, scheme.survivors())
    absent, holds, told = set(range(n)), {}, dict.fromkeys(range(n), -1)
    counted: set[int] = set()

    def follow(actions):
        for position, action in enumerate(actions):
            match action:
                case Send(worker, round_):
                    assert worker not in holds, "two models outstanding"
                    assert worker not in absent
                    assert machine.is_open and round_ == machine.round, "not the newest model"
                    holds[worker] = round_
                case Count(worker):
                    counted.add(worker)
                    assert scheme.is_decodable(counted) == (len(actions) > position + 1), "not the first moment"
                case Close(round_, workers):
                    busy_with_it = {w for w, held in holds.items() if held == round_}
                    assert round_ == machine.round and set(workers) == busy_with_it, "told wrongly, or again"
                    for worker in workers:
                        told[worker] = round_

    for _ in range(data.draw(st.integers(1, 60), label="events")):
        choices = []
        if not machine.is_open:
            choices.append(("open", None))
        choices += [("join", w) for w in sorted(absent)]
        choices += [("answer", w) for w in sorted(holds)]
        # A worker abandons only what it was told is over.
        choices += [("abandon", w) for w in sorted(holds) if holds[w] <= told[w]]
        kind, worker = data.draw(st.sampled_from(choices), label="event")
        if kind == "open":
            counted = set()
            follow(machine.open())
            assert all(w in holds for w in range(n) if w not in absent), "an idle worker was left out"
        elif kind == "join":
            absent.discard(worker)
            follow(machine.join(worker))
        else:
            round_ = holds.pop(worker)
            was_open, before = machine.is_open, set(counted)
            follow(machine.abandon(worker, round_) if kind == "abandon" else machine.arrive(worker, round_))
            fresh = was_open and round_ == machine.round and kind == "answer"
            assert counted - before == ({worker} if fresh else set()), "a stale or abandoned message was counted"
            if machine.is_open and not fresh:
                assert holds.get(worker) == machine.round, "an idle worker was not given the newest model"
        assert machine.busy == tuple(sorted(holds))
        assert machine.absent == tuple(sorted(absent))
        if machine.round >= 0:
            assert machine.late == tuple(w for w in range(n) if w not in counted)


def test_a_round_accepts_a_bad_condition_only_when_told():
    angle = 1e-9
    scheme = Grouped(3, codes.from_generator([[1, np.cos(angle), 0], [0, np.sin(angle), 1]]))
    machine = Rounds(3, scheme.survivors(condition_limit=1e8))
    for worker in range(3):
        machine.join(worker)
    machine.open()
    assert machine.arrive(0, 0) == [Count(0)]
    assert not machine.is_decodable and machine.accept_any_condition() == []
    assert machine.arrive(1, 0) == [Count(1)]  # decodable, in exact arithmetic
    assert machine.is_decodable and machine.is_open
    assert machine.accept_any_condition() == [Close(0, (2,))]
    assert not machine.is_open and not machine.is_decodable and machine.accept_any_condition() == []
    machine.open()  # and the next round waits again
    assert machine.arrive(0, 1) == [Count(0)] and machine.arrive(1, 1) == [Count(1)]
    assert machine.arrive(2, 0) == [Send(2, 1)]
    assert machine.arrive(2, 1) == [Count(2), Close(1, ())]
