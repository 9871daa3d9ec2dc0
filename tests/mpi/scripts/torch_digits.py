"""The example's training over MPI, a worker blocked in every round, ends where one process does."""

import sys
from pathlib import Path

import numpy as np
import torch

from gradcode.mpi import run

sys.path.insert(0, str(Path(__file__).parents[2]))
from digits import allowance, load_example, parameters, train_alone

torch.set_num_threads(1)
example = load_example()
trained = example.train(run, delay=600.0)
if trained is not None:
    model, log = trained
    assert len(log) == 267 and all(record.late for record in log)
    alone, path = train_alone(example)
    error = np.linalg.norm(parameters(model) - parameters(alone))
    assert error <= allowance(example, path, "float32"), error
    _, _, images, labels = example.load_data()
    accuracy = example.accuracy(model, images, labels)
    assert accuracy >= 0.97, accuracy
    print(f"error {error:.1e}, allowed {allowance(example, path, 'float32'):.1e}, accuracy {accuracy:.3f}")
    print("passed")
