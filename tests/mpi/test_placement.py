"""Groups are spread over hosts."""

from __future__ import annotations

import collections

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcode import design
from gradcode.mpi.placement import place

pytestmark = pytest.mark.filterwarnings("ignore::gradcode.errors.LoadWarning")


@given(st.data())
def test_no_host_has_more_of_a_group_than_it_must(data):
    n = data.draw(st.integers(2, 30))
    s = data.draw(st.integers(0, n - 1))
    scheme = design(n, s, data.draw(st.integers(1, n - s)))
    hosts = data.draw(st.lists(st.sampled_from("abcde"), min_size=n + 1, max_size=n + 1))
    ranks = place(scheme, hosts)
    assert sorted(ranks) == list(range(1, n + 1))
    crowd = collections.Counter(hosts[1:])
    for system in scheme.systems:
        shared = collections.Counter(hosts[ranks[worker]] for worker in system.workers)
        for host, count in shared.items():
            assert count <= -(-crowd[host] // len(scheme.systems)), "dealt out unevenly"


def test_hosts_filled_rank_by_rank():
    hosts = ["a"] * 4 + ["b"] * 4 + ["c"] * 4 + ["d"]  # the master and 12 workers
    scheme = design(12, stragglers=2, communication=2)
    ranks = place(scheme, hosts)
    for system in scheme.systems:
        per_host = collections.Counter(hosts[ranks[worker]] for worker in system.workers)
        assert max(per_host.values()) <= 2
