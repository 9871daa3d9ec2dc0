"""Faults are put in, one at a time: the tests that are there to find them must fail."""

from __future__ import annotations

import contract
import numpy as np
import pytest
import test_train_threads
from hypothesis import Phase, settings
from test_rounds_machine import any_order, check_order_of_events
from training import on_threads

from gradcode import YeAbbe, design, kernels
from gradcode.datasets.prepared import Prepared
from gradcode.rounds import Close, Count, Rounds
from gradcode.schemes import systems

# The property of tests/test_rounds_machine.py, without looking for the smallest example, which takes long.
events_in_any_order = settings(max_examples=200, deadline=None, phases=[Phase.generate])(
    any_order(check_order_of_events)
)
found = pytest.raises((AssertionError, ExceptionGroup))  # the second is hypothesis's, with several examples


@pytest.mark.parametrize("make", [lambda: design(6, 1, 2), lambda: YeAbbe(6, 4, 2, 2, "harmonic")])
@pytest.mark.parametrize("check", [contract.check_patterns, contract.check_scheme])
def test_a_wrong_weight(make, check, monkeypatch):
    real = systems.solve_systems

    def wrong(requests):
        solutions = real(requests)
        for index, solution in enumerate(solutions):
            weights = solution.weights.copy()
            weights.flat[np.argmax(np.abs(weights))] *= 1 + 1e-11
            solutions[index] = solution._replace(weights=weights)
        return solutions

    check(make())
    monkeypatch.setattr(systems, "solve_systems", wrong)
    monkeypatch.setattr(contract, "solve_systems", wrong)
    with found:
        check(make())


@pytest.mark.parametrize("name", ["encode", "decode"])
def test_a_short_tail(name, monkeypatch):
    """The last element is left out."""
    real = getattr(kernels, name)

    def short(*arguments, **options):
        out = real(*arguments, **options)
        out[-1] = 0
        return out

    monkeypatch.setattr(kernels, name, short)
    with found:
        contract.check_scheme(design(4, 1, 2))


def test_a_missed_close(monkeypatch):
    """Workers that are busy are not told that their round is over."""
    real = Rounds._close
    monkeypatch.setattr(Rounds, "_close", lambda machine: Close(real(machine).round, ()))
    with found:
        events_in_any_order()


def test_a_stale_message_counted(monkeypatch):
    """What arrives for a round that is over is taken for the open one."""
    real = Rounds.arrive

    def counting(machine, *arguments, **options):
        actions = real(machine, *arguments, **options)
        if machine.is_open and not any(isinstance(action, Count) for action in actions):
            (what, *_) = [*arguments, *options.values()]
            return [Count(getattr(what, "worker", what)), *actions]
        return actions

    monkeypatch.setattr(Rounds, "arrive", counting)
    with found:
        events_in_any_order()


def test_a_lost_label(monkeypatch, tmp_path):
    """One row of a share has lost its label to another."""
    real = Prepared.rows

    def losing(prepared, start, stop):
        X, y = real(prepared, start, stop)
        y = y.copy()
        y[0] = y[y != y[0]][0]
        return X, y

    monkeypatch.setattr(Prepared, "rows", losing)
    with pytest.raises(AssertionError, match="< 1e-10"):
        test_train_threads.test_parameters_equal_those_of_one_process(
            on_threads(monkeypatch), tmp_path, ("--workers", 4), {}
        )
