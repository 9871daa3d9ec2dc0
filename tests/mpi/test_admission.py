"""What a run is refused for before it starts, and what it says that it will take."""

from __future__ import annotations

import os

import pytest

from gradcode import Uncoded
from gradcode.mpi.admission import check_memory
from gradcode.rounds import RunPlan


def plan_of(gradient_size, dtype, wire_dtype=None):
    return RunPlan(
        main=print,
        scheme=Uncoded(4),
        gradient=print,
        gradient_size=gradient_size,
        data=None,
        dtype=dtype,
        wire_dtype=wire_dtype,
        chunks=1,
        seed=0,
        goodbye_seconds=0.0,
        patience=2.0,
    )


@pytest.mark.parametrize(
    ("dtype", "wire_dtype", "size"),
    # Two models and the sum, and a message from each of the four workers.
    [("float64", None, 7 * 8), ("float32", None, 7 * 4), ("float32", "float16", 20), ("float32", "bfloat16", 20)],
)
def test_the_buffers_of_the_master_go_by_the_type_of_messages(dtype, wire_dtype, size, caplog):
    with caplog.at_level("INFO", "gradcode"):
        check_memory(plan_of(2**20, dtype, wire_dtype))
    assert caplog.messages == [f"the master's buffers take {size}.0 MiB"]


@pytest.mark.skipif("SC_PHYS_PAGES" not in os.sysconf_names, reason="the system does not tell its memory")
def test_messages_of_16_bits_fit_where_longer_ones_do_not(monkeypatch):
    monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PHYS_PAGES": 24 * 2**8, "SC_PAGE_SIZE": 2**12}[name])
    check_memory(plan_of(2**20, "float32", "float16"))
    with pytest.raises(MemoryError, match="the master's buffers must fit in its memory"):
        check_memory(plan_of(2**20, "float32"))
