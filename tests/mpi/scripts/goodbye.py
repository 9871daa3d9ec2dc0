"""A worker that cannot be interrupted does not keep the result, and the job ends by itself."""

import time

import numpy as np

from gradcode import design
from gradcode.mpi import run


def gradient(params, task):
    if task.worker == 1:
        time.sleep(120)
    return params.copy()


def main(cluster):
    return [cluster.gradient(np.full(5, float(i)))[0] for i in range(300)], cluster.log


result = run(main, design(2, 1, 1), gradient, gradient_size=5, goodbye_seconds=0.2)
if result is not None:
    values, log = result
    assert values == [float(i) for i in range(300)], values
    assert all(record.used == (0,) and record.late == (1,) for record in log)
    print("passed", flush=True)
