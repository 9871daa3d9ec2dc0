"""Injected straggling, under a clock that only sleeping moves."""

import pytest

from gradcode.train.delays import Delays


class World:
    """A clock, a sleep that moves it, and a task that is wanted until a given time."""

    def __init__(self, round=0, wanted_until=float("inf")):
        self.now = 100.0
        self.slept = []
        self.round = round
        self.wanted_until = wanted_until

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    def wanted(self):
        return self.now < self.wanted_until

    def apply(self, delays, worker=0):
        return delays.apply(self, worker, sleep=self.sleep, clock=lambda: self.now)


@pytest.mark.parametrize("kind", ["transient", "busy"])
@pytest.mark.parametrize("count", [0, 1, 3, 6])
def test_count_workers_are_delayed_and_every_rank_agrees(kind, count):
    here, there = (Delays(6, 1, count, kind, seed=4) for _ in range(2))
    there.delayed(7)  # the order of the questions does not matter
    for round in range(20):
        workers = here.delayed(round)
        assert workers == there.delayed(round) == tuple(sorted(set(workers)))
        assert len(workers) == count
        assert all(type(worker) is int and 0 <= worker < 6 for worker in workers)


def test_transient_changes_with_the_round_and_reaches_everyone():
    rounds = [Delays(6, 1, 2, "transient").delayed(round) for round in range(60)]
    assert len(set(rounds)) == 15  # all pairs
    share = [sum(worker in workers for workers in rounds) for worker in range(6)]
    assert min(share) > 8


def test_busy_stays_and_depends_on_the_seed():
    assert len({Delays(6, 1, 2, "busy", seed=1).delayed(round) for round in range(50)}) == 1
    assert len({Delays(6, 1, 2, "busy", seed=seed).delayed(0) for seed in range(30)}) > 5


def test_busy_sleeps_once_in_full_though_no_longer_wanted():
    world = World(wanted_until=100.0)
    assert world.apply(Delays(1, 2.5, 1, "busy")) is False
    assert world.slept == [2.5]


def test_transient_sleeps_in_short_steps():
    world = World()
    assert world.apply(Delays(1, 0.0105, 1, "transient")) is True
    assert max(world.slept) <= 0.001
    assert sum(world.slept) == pytest.approx(0.0105)
    assert world.now == pytest.approx(100.0105)


def test_transient_ends_when_no_longer_wanted():
    world = World(wanted_until=100.0035)
    assert world.apply(Delays(1, 1.0, 1, "transient")) is False
    assert sum(world.slept) == pytest.approx(0.004)


def test_transient_already_unwanted_does_not_sleep():
    world = World(wanted_until=0)
    assert world.apply(Delays(1, 1.0, 1, "transient")) is False
    assert world.slept == []


def test_transient_goes_by_the_clock_and_not_by_the_steps():
    world = World()
    delays = Delays(1, 0.010, 1, "transient")

    def oversleep(seconds):
        world.sleep(seconds + 0.005)

    delays.apply(world, 0, sleep=oversleep, clock=lambda: world.now)
    assert len(world.slept) == 2


@pytest.mark.parametrize("kind", ["transient", "busy"])
def test_once_per_round_and_worker(kind):
    delays, world = Delays(2, 0.001, 2, kind), World()
    counts = []
    for round, worker in ((0, 0), (0, 0), (0, 1), (0, 0), (1, 0), (1, 0), (1, 1)):
        world.round = round
        assert world.apply(delays, worker) is True
        counts.append(len(world.slept))
        world.slept.clear()
    assert [count > 0 for count in counts] == [True, False, True, False, True, False, True]


@pytest.mark.parametrize("kind", ["transient", "busy"])
def test_others_do_not_wait(kind):
    delays = Delays(6, 1.0, 2, kind, seed=1)
    for worker in set(range(6)) - set(delays.delayed(3)):
        world = World(round=3)
        assert world.apply(delays, worker) is True
        assert world.slept == []


@pytest.mark.parametrize("kind", ["transient", "busy"])
def test_no_seconds_no_sleep(kind):
    world = World()
    assert world.apply(Delays(1, 0, 1, kind)) is True
    assert world.slept == []


@pytest.mark.parametrize(
    ("change", "error", "rule"),
    [
        ({"n_workers": 0}, ValueError, "n_workers must be an integer of at least 1, got 0"),
        ({"seconds": -0.5}, ValueError, "seconds must be a finite number of at least 0, got -0.5"),
        ({"seconds": float("inf")}, ValueError, "seconds must be a finite number of at least 0, got inf"),
        ({"seconds": "1"}, TypeError, "seconds must be a finite number of at least 0, got '1'"),
        ({"count": 7}, ValueError, r"count must be an integer in 0\.\.6, got 7 with n_workers=6"),
        ({"count": -1}, ValueError, r"count must be an integer in 0\.\.6, got -1"),
        ({"kind": "slow"}, ValueError, "kind must be one of 'transient', 'busy', got 'slow'"),
        ({"seed": -1}, ValueError, "seed must be an integer of at least 0, got -1"),
    ],
)
def test_bad_arguments(change, error, rule):
    arguments = {"n_workers": 6, "seconds": 1, "count": 2, "kind": "busy"} | change
    with pytest.raises(error, match=rule):
        Delays(**arguments)


def test_bad_worker_and_round():
    delays = Delays(6, 1, 2, "transient")
    with pytest.raises(ValueError, match=r"worker must be an integer in 0\.\.5, got 6"):
        World().apply(delays, 6)
    with pytest.raises(ValueError, match="round must be an integer of at least 0, got -1"):
        delays.delayed(-1)


def test_repr_makes_it_again():
    delays = Delays(6, 0.25, 2, "busy", seed=9)
    assert repr(delays) == "Delays(6, 0.25, 2, 'busy', seed=9)"
    assert eval(repr(delays)).delayed(0) == delays.delayed(0)
