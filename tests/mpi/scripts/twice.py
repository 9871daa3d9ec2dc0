"""A run that did not wait for its workers' goodbye is forgotten once they have taken part in another."""

import numpy as np

from gradcode import design
from gradcode.mpi import run


def gradient(params, task):
    return params * (1 + task.subset.index)


scheme = design(n_workers=2, stragglers=0, communication=1)
for goodbye_seconds in (0.0, 60.0):
    total = run(
        lambda cluster: cluster.gradient(np.ones(3)),
        scheme,
        gradient,
        gradient_size=3,
        goodbye_seconds=goodbye_seconds,
    )
    assert total is None or total.tolist() == [3, 3, 3]
if total is not None:
    print("passed")
