"""Whole runs over real MPI, on this machine."""

from __future__ import annotations

import pytest
from ranks import assert_passed, run_ranks


def test_parameters_equal_those_of_one_process():
    assert_passed(run_ranks(7, "training", 4, 6))


@pytest.mark.slow
def test_parameters_equal_those_of_one_process_with_up_to_nine_workers():
    assert_passed(run_ranks(10, "training", *range(4, 10)))


def test_every_scheme_runs():
    assert_passed(run_ranks(9, "schemes"))


@pytest.mark.slow
def test_messages_of_16_bits_are_rounded_once():
    assert_passed(run_ranks(7, "wire_types"))


def test_user_errors_reach_the_master_ranks_started_differently_find_out_and_results_are_shared():
    assert_passed(run_ranks(4, "several", "failures", "agreement", "sharing"), times=3)


def test_a_worker_that_cannot_be_interrupted_is_left_behind():
    completed = run_ranks(3, "goodbye", timeout=60)
    assert "passed" in completed.stdout, completed.stderr
    assert "workers 1 have not answered the goodbye" in completed.stderr


def test_interrupts_come_at_safe_moments_and_long_messages_travel_in_pieces():
    assert_passed(run_ranks(5, "several", "interrupted", "pieces"), times=2)


def test_workers_that_come_back_late_are_not_ended():
    completed = run_ranks(3, "twice")
    assert_passed(completed)
    assert "have not answered the goodbye" in completed.stderr  # of the first run
    assert "ending all ranks" not in completed.stderr
