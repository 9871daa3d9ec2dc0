"""A PyTorch module trained over real MPI, on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from ranks import assert_passed, run_ranks

pytest.importorskip("torch", reason="gradcode.torch is for users of PyTorch, which is not installed")
pytest.importorskip("sklearn", reason="the digits are scikit-learn's")

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "digits_cnn.py"


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the examples are not beside the tests")
def test_the_example_trains_as_in_one_process_with_a_worker_blocked():
    assert_passed(run_ranks(7, "torch_digits"))
