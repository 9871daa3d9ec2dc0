"""Train a PyTorch module through the coded cluster, with any optimiser of `torch.optim` at the master.

The workers compute the gradient of a loss by autograd. The master's module gets the exact sum of all of them in its
``.grad``. The same code runs over MPI (`gradcode.mpi.run`) and in threads (`gradcode.local.run`)::

    X, y = torch.randn(3000, 20), torch.randint(3, (3000,))

    def make_module():                        # called on every worker
        return torch.nn.Sequential(torch.nn.Linear(20, 50), torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.Linear(50, 3))

    def load(subset):                         # on the workers: the rows of one share
        rows = subset.slice(len(X))
        return X[rows], y[rows]

    def loss(module, task):                   # on the workers: a sum over rows, here of the mean over all of them
        inputs, targets = task.data
        return torch.nn.functional.cross_entropy(module(inputs), targets, reduction="sum") / len(X)

    module = make_module()
    flat = gradcode.torch.FlatParameters(module)
    optimiser = torch.optim.Adam(module.parameters())

    def main(cluster):                        # on the master
        for _ in range(100):
            value = flat.backward(cluster)    # instead of loss(...).backward()
            optimiser.step()

    gradcode.mpi.run(main, scheme, gradcode.torch.gradient(make_module, loss), data=load,
                     gradient_size=flat.size, dtype=flat.dtype)

The sum over the subsets is exact, to rounding. Weight decay and the like belong to the master, where they are added
once. Rounding depends on which workers are used. In a near tie, for example in max pooling, rounding can decide the
result, and training then leads to other parameters. Any other rounding can do the same in a single process.

Only the trainable parameters travel. `make_module` must give everything else in the module (buffers, frozen parameters)
the same values everywhere, and training must not change it. So batch normalisation with running statistics is refused,
and so is any other module that is seen to be written to while its gradient is computed.

If a scheme's messages are shorter than the gradient (communication > 1), blocks of the gradient travel as combinations,
and the rounding of one block shows in the others: a component that should be zero is only zero to rounding. Optimisers
that divide by the gradient's own size, such as Adam, can make steps of that if the component stays zero for long (rows
of an embedding that no batch uses, parameters that no loss uses). Freeze those parameters, raise the optimiser's `eps`,
or use communication 1.

Dropout draws from PyTorch's global CPU generator. It is seeded with ``task.seed`` for each task, so that all workers
that hold a subset drop the same, and its state is put back afterwards. Only one thread of a process may do that at a
time. Therefore, in `gradcode.local`, put a delay that you inject on purpose in a function around the gradient function,
and let `main` draw from a `torch.Generator` of its own, since a straggler may compute at the same time.
"""

from gradcode.errors import MissingExtra

try:
    import torch as _torch  # noqa: F401 - only whether it is there
except ImportError:
    raise MissingExtra("gradcode.torch needs PyTorch", "torch") from None

from gradcode.torch.batches import batch
from gradcode.torch.flat import FlatParameters, Loss, gradient

__all__ = ["FlatParameters", "Loss", "batch", "gradient"]
