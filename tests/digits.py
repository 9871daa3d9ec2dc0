"""The example's training in one process, as an oracle: the same batches, the same dropout, no code."""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from gradcode.rounds import task_seed

EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "digits_cnn.py"


def load_example():
    spec = importlib.util.spec_from_file_location("digits_cnn", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    return example


def subsets(scheme):
    """Every subset of the scheme once, in order."""
    found = {subset.index: subset for worker in range(scheme.n_workers) for subset in scheme.subsets(worker)}
    return [found[index] for index in sorted(found)]


def parameters(module):
    """A copy of all parameters, in float64."""
    with torch.no_grad():
        return torch.cat([p.double().flatten() for p in module.parameters()]).numpy().copy()


def train_alone(example, seed=0):
    """Train the example's model by autograd; return it and the length of the path that its parameters took."""
    images, labels, *_ = example.load_data()
    tasks = []
    for subset in subsets(example.SCHEME):
        rows = subset.slice(len(images))
        tasks.append((subset.index, (images[rows], labels[rows], len(images))))
    model = example.make_model()
    steps = example.EPOCHS * (len(images) // (example.BATCH * len(tasks)))
    optimiser, schedule = example.make_optimiser(model, steps)
    path, before = 0.0, parameters(model)
    for step in range(steps):
        optimiser.zero_grad()
        for index, data in tasks:
            task = SimpleNamespace(seed=task_seed(seed, step, index), data=data)
            torch.manual_seed(task.seed)
            example.loss(model, task).backward()  # adds to the gradient
        optimiser.step()
        schedule.step()
        now = parameters(model)
        path, before = path + np.linalg.norm(now - before), now
    return model, path


def worst_condition(scheme):
    """The largest condition number of what is solved to decode, over all sets of survivors that can be."""
    worst = 1.0
    for system in scheme.systems:
        m, width = system.matrix.shape
        for kept in range(m, width + 1):
            for columns in itertools.combinations(range(width), kept):
                worst = max(worst, np.linalg.cond(system.matrix[:, columns]))
    return worst


def allowance(example, path, dtype):
    """How far rounding may take the coded run from the one alone.

    A gradient decoded is off by at most terms * eps * condition of its length (see contract.check_decode), and so is
    the step made of it; the deviations add up over the path. That they do not grow on the way is a property of the
    example's network, which has no kinks: with max pooling some runs end 0.2 away, in one process under noise too.
    """
    scheme = example.SCHEME
    terms = scheme.n_workers + scheme.communication + scheme.n_subsets
    return terms * np.finfo(dtype).eps * worst_condition(scheme) * path
