"""What a run is told, and what of it must be the same on all ranks."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcode._validate import check_dtype, check_int, check_number
from gradcode._version import __version__
from gradcode.mpi.task import Gradient, Load
from gradcode.mpi.wire import MASTER, VERSION
from gradcode.rounds import Cluster
from gradcode.schemes import GradientCode

if TYPE_CHECKING:
    from mpi4py import MPI

__all__ = ["Plan"]

logger = logging.getLogger("gradcode")


@dataclass(frozen=True)
class Plan:
    """The arguments of `gradcode.mpi.run`, as the user gave them."""

    main: Callable[[Cluster], Any]
    scheme: GradientCode
    gradient: Gradient
    gradient_size: int
    load: Load | None
    dtype: Any
    chunks: int
    seed: int
    configuration: Mapping[str, object]
    goodbye_seconds: float

    def check(self, comm: MPI.Comm) -> str:
        """Refuse what this rank cannot run; return the configuration that all ranks must have, as JSON."""
        for name in ("main", "gradient"):
            if not callable(getattr(self, name)):
                raise TypeError(f"{name} must be callable, got {type(getattr(self, name)).__name__}")
        if self.load is not None and not callable(self.load):
            raise TypeError(f"data must be a callable that loads a subset, got {type(self.load).__name__}")
        scheme = self.scheme
        if not isinstance(scheme, GradientCode):
            raise TypeError(f"scheme must be a GradientCode, got {type(scheme).__name__}")
        size = check_int("gradient_size", self.gradient_size, 1)
        dtype = check_dtype("dtype", self.dtype)
        check_int("chunks", self.chunks, 1)
        check_int("seed", self.seed, 0)
        check_number("goodbye_seconds", self.goodbye_seconds, 0)
        from mpi4py import MPI

        if not MPI.Is_thread_main():
            raise RuntimeError("gradcode.mpi.run must be called from the thread that initialised MPI")
        ranks = scheme.n_workers + 1
        if comm.size != ranks:
            raise ValueError(
                f"the number of ranks must be n_workers + 1 = {ranks} (the workers and the master), "
                f"got {comm.size} with n_workers={scheme.n_workers}; start it with: mpirun -n {ranks}"
            )
        if comm.rank == MASTER:
            _check_memory(scheme, size, dtype)
        return json.dumps(
            {
                **self.configuration,
                "scheme": repr(scheme),
                "scheme fingerprint": scheme.fingerprint(),
                "gradient_size": size,
                "dtype": dtype.name,
                "chunks": self.chunks,
                "seed": self.seed,
                "gradcode version": __version__,
                "wire version": VERSION,
            },
            sort_keys=True,
        )


def _check_memory(scheme: GradientCode, size: int, dtype: np.dtype[Any]) -> None:
    """Refuse what cannot fit the master's memory."""
    # The model pool (two buffers, and one more for each worker that lags), a message from every worker, the sum.
    needed = (3 * size + scheme.n_workers * scheme.message_size(size, dtype)) * dtype.itemsize
    logger.info("the master's buffers take %.1f MiB", needed / 2**20)
    if "SC_PHYS_PAGES" not in os.sysconf_names:
        return
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > physical:
        raise MemoryError(
            f"the master's buffers must fit in its memory of {physical / 2**30:.1f} GiB, "
            f"but they take {needed / 2**30:.1f} GiB"
        )
