"""Which rank becomes which worker."""

from __future__ import annotations

from collections.abc import Sequence

from gradcode.schemes import GradientCode

__all__ = ["place"]


def place(scheme: GradientCode, hosts: Sequence[str]) -> list[int]:
    """Return the rank of each worker, given the host of each rank; rank 0 is the master.

    mpirun fills hosts rank by rank, so neighbouring ranks share a host. If all workers that hold the same data were on
    one host, losing it would lose that data. So the ranks, in the order of their hosts, are dealt out to the groups in
    turn: the workers of a group are on different hosts as far as possible.

    Parameters
    ----------
    scheme : GradientCode
        The scheme.
    hosts : sequence of str
        Name of the host of each rank.

    Examples
    --------
    >>> from gradcode import design
    >>> place(design(4, 1, 1), ["a", "a", "a", "b", "b"])  # groups (0, 1) and (2, 3)
    [1, 3, 2, 4]
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for worker in range(scheme.n_workers):
        groups.setdefault(tuple(s.index for s in scheme.subsets(worker)), []).append(worker)
    longest = max(len(group) for group in groups.values())
    # One worker of every group, then the next of every group, ...
    order = [group[i] for i in range(longest) for group in groups.values() if i < len(group)]
    ranks = sorted(range(1, scheme.n_workers + 1), key=lambda rank: (hosts.index(hosts[rank]), rank))
    placed = [0] * scheme.n_workers
    for worker, rank in zip(order, ranks, strict=True):
        placed[worker] = rank
    return placed
