"""An interrupt inside a round gives it up, and the next round works; outside of one it is raised at once."""

import os
import signal
import threading
import time

import numpy as np

from gradcode import design
from gradcode.mpi import run


def gradient(params, task):
    while params[0] == 0 and task.wanted():  # as long as it takes
        time.sleep(0.001)
    return params.copy() if task.wanted() else None


def signal_soon(signum):
    threading.Timer(0.2, os.kill, (os.getpid(), signum)).start()


def main(cluster):
    cluster.wait_for_workers()
    scheme = cluster.scheme
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal_soon(signum)
        try:
            cluster.gradient(np.zeros(5))
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError("an endless round ended")
        np.testing.assert_allclose(cluster.gradient(np.ones(5)), scheme.n_subsets * np.ones(5))
    signal_soon(signal.SIGINT)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        return "interrupted"
    raise AssertionError("user code was not interrupted")


before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
result = run(main, design(4, 1, 1), gradient, gradient_size=5)
assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before
if result is not None:
    assert result == "interrupted"
    print("passed", flush=True)
