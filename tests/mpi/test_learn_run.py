"""The estimator under mpirun: every rank is fitted."""

from __future__ import annotations

from ranks import assert_passed, run_ranks


def test_every_rank_is_fitted_and_a_straggler_does_not_matter(tmp_path):
    assert_passed(run_ranks(5, "learning", "straggler", tmp_path))


def test_what_goes_wrong_on_one_rank_ends_the_fit_on_all(tmp_path):
    assert_passed(run_ranks(3, "learning", "failures", tmp_path))


def test_a_worker_that_hangs_keeps_nobody_from_the_result(tmp_path):
    completed = run_ranks(5, "learning", "hanging", tmp_path, timeout=90)
    assert "passed" in completed.stdout, completed.stderr
    assert "have not answered the goodbye" in completed.stderr
