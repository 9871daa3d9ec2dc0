"""Whole runs over real MPI, on this machine."""

from __future__ import annotations

import pytest
from ranks import assert_passed, run_ranks


@pytest.mark.parametrize("workers", range(4, 10))
def test_parameters_equal_those_of_one_process(workers):
    assert_passed(run_ranks(workers + 1, "training"))


def test_every_scheme_runs():
    assert_passed(run_ranks(9, "schemes"))


def test_messages_of_16_bits_are_rounded_once():
    assert_passed(run_ranks(7, "wire_types"))


def test_user_errors_reach_the_master_and_end_the_run_cleanly():
    assert_passed(run_ranks(4, "failures"))


def test_ranks_started_differently_find_out():
    assert_passed(run_ranks(4, "agreement"))


def test_every_rank_has_the_result_where_it_is_asked_for():
    assert_passed(run_ranks(4, "sharing"))


def test_long_messages_travel_in_pieces_and_end_early():
    assert_passed(run_ranks(5, "pieces"))


def test_a_worker_that_cannot_be_interrupted_is_left_behind():
    completed = run_ranks(3, "goodbye", timeout=60)
    assert "passed" in completed.stdout, completed.stderr
    assert "workers 1 have not answered the goodbye" in completed.stderr


def test_interrupts_come_at_safe_moments():
    assert_passed(run_ranks(5, "interrupted"))


def test_workers_that_come_back_late_are_not_ended():
    completed = run_ranks(3, "twice")
    assert_passed(completed)
    assert "have not answered the goodbye" in completed.stderr  # of the first run
    assert "ending workers" not in completed.stderr
