"""Train a PyTorch module through the coded cluster, with any optimiser of `torch.optim` at the master.

The workers compute the gradient of a loss by autograd; the master's module gets the exact sum of all of them in its
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

What is exact, to rounding, is the sum over the subsets; weight decay and the like belong to the master, added once.
Which workers are used changes the rounding, and with it the side of a kink on which training goes on where there is
one: a near tie in max pooling can lead to other parameters, as rounding of any other origin can in one process.

Whatever the
module holds beside its trainable parameters (buffers, frozen parameters) does not travel: `make_module` must give it
the same values everywhere, and training must not change it. So batch normalisation with running statistics is refused,
and so is whatever else is seen to write to the module while its gradient is computed.

Where a scheme's messages are shorter than the gradient (communication > 1), blocks of it travel as combinations and
leave their rounding in each other: a component that is zero comes out as zero to rounding. Optimisers that divide by
the gradient's own size, such as Adam, can make steps of that if it stays zero for long (rows of an embedding that no
batch uses, parameters that no loss uses): freeze those parameters, raise the optimiser's `eps`, or use communication 1.

Dropout draws from PyTorch's global CPU generator, seeded with ``task.seed`` for each task, so that replicas of a subset
drop the same; its state is put back afterwards. Only one thread of a process at a time is let into that. Therefore, in
`gradcode.local`, a delay injected on purpose belongs outside, in a function around the gradient function, and `main`
should draw from a `torch.Generator` of its own, since a straggler may be computing while `main` does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcode._validate import check_int
from gradcode.errors import GradCodeError, MissingExtra
from gradcode.rounds import Cluster, Gradient, Task

try:
    import torch
except ImportError:
    raise MissingExtra("gradcode.torch needs PyTorch", "torch") from None

__all__ = ["FlatParameters", "Loss", "batch", "gradient"]

Loss = Callable[[torch.nn.Module, Task], torch.Tensor | tuple[torch.Tensor, Mapping[str, float]] | None]

_DTYPES = {torch.float32, torch.float64}

# Held while torch's global generator belongs to one task.
_generator = threading.Lock()


class FlatParameters:
    """The trainable parameters of a module as views of one vector, and their gradients as views of another.

    The parameters move into the vector when this object is made, with their values; the module is used as before, and
    an optimiser may have been made for it already. Parameters with ``requires_grad=False`` stay where they are, and
    shared ones are in the vector once.

    Parameters
    ----------
    module : torch.nn.Module
        With at least one trainable parameter; all of them on the CPU and of one type, float32 or float64.

    Attributes
    ----------
    module : torch.nn.Module
        The module.
    vector : torch.Tensor, shape (size,)
        The parameters, in the order of ``module.parameters()``.
    gradient : torch.Tensor, shape (size,)
        What every ``.grad`` is a view of, after `backward`.

    Raises
    ------
    TypeError
        If `module` is not one, or its parameters are of several types or of another one.
    ValueError
        If there is nothing to train, a parameter is not a dense tensor on the CPU or not initialised yet, or a layer
        in training mode keeps running statistics.

    Examples
    --------
    >>> import torch
    >>> module = torch.nn.Linear(3, 2)
    >>> flat = FlatParameters(module)
    >>> flat.size, flat.dtype
    (8, dtype('float32'))
    >>> _ = flat.vector.fill_(0.5)
    >>> module.bias.tolist()
    [0.5, 0.5]
    """

    def __init__(self, module: torch.nn.Module) -> None:
        if not isinstance(module, torch.nn.Module):
            raise TypeError(f"module must be a torch.nn.Module, got {type(module).__name__}")
        trainable = _trainable(module)
        _check_parameters(trainable)
        _check_statistics(module)
        self.module = module
        size, dtype = sum(p.numel() for p in trainable.values()), next(iter(trainable.values())).dtype
        self.vector = torch.empty(size, dtype=dtype)
        self.gradient = torch.zeros(size, dtype=dtype)
        # Views of the same memory, and what the kernels and the engines take.
        self._vector: npt.NDArray[Any] = self.vector.numpy()
        self._gradient: npt.NDArray[Any] = self.gradient.numpy()
        self._parameters = trainable
        self._values = _views(self.vector, trainable.values())
        self._gradients = _views(self.gradient, trainable.values())
        for parameter, value in zip(trainable.values(), self._values, strict=True):
            parameter.data = value.copy_(parameter.data)
        self._state = dict(_state(module))

    @property
    def size(self) -> int:
        """Number of trainable parameters: `gradient_size` of the run."""
        return int(self._vector.size)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Their type, float32 or float64: `dtype` of the run."""
        return self._vector.dtype

    def backward(self, cluster: Cluster) -> float:
        """Compute the gradient of the whole loss at the present parameters, and leave it in every ``.grad``.

        The counterpart of ``loss.backward()``, except that what the ``.grad`` held before is replaced, not added to:
        ``zero_grad()`` is not needed, and does no harm. Penalties of the master's own are added afterwards, by a
        ``backward()`` of theirs. Nothing is copied here: `vector` is what the cluster reads and `gradient` where it
        decodes to.

        Parameters
        ----------
        cluster : Cluster
            Of this object's size and dtype, with a gradient function made by `gradient`.

        Returns
        -------
        float
            The loss, summed over all data: what a closure given to ``optimiser.step`` returns.

        Raises
        ------
        TypeError, ValueError
            If the run was given another `dtype` or `gradient_size` than the module's.
        GradCodeError
            If the module's parameters are no longer those of the vector, as after ``module.double()``.
        """
        self._check_sizes(cluster.gradient_size, cluster.dtype)
        self._check_values(_trainable(self.module))
        value, _ = cluster.value_and_gradient(self._vector, out=self._gradient)
        self._bind_gradients()
        return value

    def _compute(self, loss: Loss, params: npt.NDArray[Any], task: Task) -> Any:
        """The gradient of `loss` at `params` and the scalars, in the form that an engine takes."""
        self._check_sizes(params.size, params.dtype)
        self._check_values(self._parameters)  # what else the module holds is looked at afterwards
        # One copy, and not views of `params`: those are read-only, and another worker's too where workers are threads.
        np.copyto(self._vector, params)
        self.gradient.zero_()
        self._bind_gradients()
        versions = {name: tensor._version for name, tensor in self._state.items()}
        outcome = loss(self.module, task)
        if outcome is None or not task.wanted():
            return None
        value, scalars = outcome if isinstance(outcome, tuple) else (outcome, {})
        _check_loss(value)
        if "loss" in scalars:
            raise ValueError(f"loss must report numbers of other names than 'loss' beside the loss, got {[*scalars]}")
        value.backward()  # type: ignore[no-untyped-call]
        for name, tensor in _state(self.module):
            before: Any = self._state.get(name)
            if tensor is not before or tensor._version != versions[name]:
                raise GradCodeError(
                    f"the module must stay as it is while its gradient is computed, but {name!r} was written to; "
                    "what one worker changes the others and the master do not see"
                )
        for (name, parameter), gradient in zip(self._parameters.items(), self._gradients, strict=True):
            if parameter.grad is None or not parameter.grad.is_set_to(gradient):
                raise GradCodeError(f"the .grad of {name!r} was replaced while the loss was computed (zero_grad?)")
        return self._gradient, {**scalars, "loss": value.item()}

    def _bind_gradients(self) -> None:
        for parameter, gradient in zip(self._parameters.values(), self._gradients, strict=True):
            parameter.grad = gradient

    def _check_sizes(self, size: int, dtype: np.dtype[Any]) -> None:
        if dtype != self.dtype:
            raise TypeError(f"the run's dtype must be the module's, {self.dtype.name}, got {dtype.name}")
        if size != self.size:
            raise ValueError(f"the run's gradient_size must be the module's, {self.size}, got {size}")

    def _check_values(self, now: Mapping[str, torch.nn.Parameter]) -> None:
        """Refuse to go on if the trainable parameters, `now`, are no longer those of the vector."""
        for (name, parameter), value in zip(self._parameters.items(), self._values, strict=True):
            held: Any = now.get(name)
            if held is not parameter or parameter.dtype != value.dtype or not parameter.is_set_to(value):
                break
        else:
            if len(now) == len(self._parameters):
                return
            name = next(name for name in now if name not in self._parameters)
        raise GradCodeError(
            f"the trainable parameters must be those of the flat vector, but {name!r} was added, removed or replaced "
            "(module.to, load_state_dict(assign=True), requires_grad or .data may do so, and so does a second "
            "FlatParameters of the same module); make a new FlatParameters after such a change"
        )


def gradient(make_module: Callable[[], torch.nn.Module], loss: Loss) -> Gradient:
    """Make the gradient function of a run (of `gradcode.mpi.run` or `gradcode.local.run`) from a loss.

    Parameters
    ----------
    make_module : callable
        ``make_module()`` returns a new module, in the mode (training or evaluation) in which its gradient is to be
        computed. Called once on each worker, before its first gradient. The trainable parameters are then
        overwritten in each round with the master's; all else must be the same in every module made.
    loss : callable
        ``loss(module, task)`` returns the loss of ``task.data`` as a tensor of one element, a sum over its rows; or
        the pair of it and a mapping of further names to numbers, such as counts. Once ``task.wanted()`` is False,
        None may be returned. Random numbers come from torch's default generator, seeded with ``task.seed``, or from
        ``task.seed`` itself. Divide by a constant, such as the number of all rows, to have the mean.

    Returns
    -------
    callable
        ``gradient(params, task)``, which returns the flat gradient and ``{"loss": value}``. The gradient is this
        thread's buffer, overwritten by its next call.

    Examples
    --------
    >>> import torch, gradcode, gradcode.local
    >>> rows = torch.arange(12.0).reshape(12, 1)
    >>> def make_module():
    ...     return torch.nn.Linear(1, 1, bias=False)
    >>> module = make_module()
    >>> flat = FlatParameters(module)
    >>> gradcode.local.run(
    ...     lambda cluster: round(flat.backward(cluster) / module.weight.item(), 3),
    ...     gradcode.design(n_workers=6, stragglers=1, communication=1),
    ...     gradient(make_module, lambda module, task: module(task.data).sum()),
    ...     gradient_size=flat.size,
    ...     dtype=flat.dtype,
    ...     data=lambda subset: rows[subset.slice(12)],
    ... )
    66.0
    >>> module.weight.grad
    tensor([[66.]])
    """
    if not callable(make_module) or isinstance(make_module, torch.nn.Module):
        raise TypeError(f"make_module must be a function that makes a module, got {type(make_module).__name__}")
    if not callable(loss):
        raise TypeError(f"loss must be callable, got {type(loss).__name__}")
    of_thread = threading.local()  # each worker has a module of its own, where workers are threads too

    def compute(params: npt.NDArray[Any], task: Task) -> Any:
        with _generator, torch.random.fork_rng(devices=[]):
            if not task.wanted():
                return None
            if not hasattr(of_thread, "flat"):
                of_thread.flat = FlatParameters(make_module())
            torch.default_generator.manual_seed(task.seed)
            return of_thread.flat._compute(loss, params, task)

    return compute


def batch(task: Task, n_rows: int, size: int) -> torch.Tensor:
    """Draw a mini-batch of the task's rows, the same on every worker that computes this task.

    Every row is in it with probability ``size / n_rows``. So ``n_rows / size`` times the sum of the loss over the
    batch is an unbiased estimate of its sum over the task's rows, and the sum of these over all tasks of the loss of
    all data: that factor belongs in the loss, whether or not subsets are of one size.

    Parameters
    ----------
    task : Task
        Whose seed to draw from.
    n_rows : int
        Number of rows that the task has, at least 1.
    size : int
        Number of rows to draw, in 1..n_rows, none of them twice.

    Returns
    -------
    torch.Tensor of int64, shape (size,)
        Indices in 0..n_rows-1.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> rows = batch(SimpleNamespace(seed=1), n_rows=100, size=5)
    >>> rows.shape, bool(((rows >= 0) & (rows < 100)).all())
    (torch.Size([5]), True)
    >>> bool((rows == batch(SimpleNamespace(seed=1), 100, 5)).all())
    True
    """
    n_rows = check_int("n_rows", n_rows, 1)
    size = check_int("size", size, 1, n_rows, context=f"n_rows={n_rows}")
    # NumPy's generator and not torch's: with the seed of dropout it would draw the numbers of dropout.
    return torch.from_numpy(np.random.default_rng(task.seed).choice(n_rows, size, replace=False))


def _trainable(module: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def _state(module: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Everything that a module holds, trained or not, by name."""
    yield from module.named_parameters()
    yield from module.named_buffers()


def _views(vector: torch.Tensor, parameters: Iterable[torch.nn.Parameter]) -> list[torch.Tensor]:
    """Cut `vector` into tensors of the parameters' shapes."""
    views, start = [], 0
    for p in parameters:
        views.append(vector[start : start + p.numel()].view(p.shape))
        start += p.numel()
    return views


def _check_parameters(trainable: Mapping[str, torch.nn.Parameter]) -> None:
    for name, p in trainable.items():
        if isinstance(p, torch.nn.parameter.UninitializedParameter):
            raise ValueError(f"parameters must be initialised, but {name!r} is not: run the module once before")
        if p.device.type != "cpu" or p.layout != torch.strided:
            raise ValueError(f"parameters must be dense and on the CPU, got {name!r} on {p.device} as {p.layout}")
    if not sum(p.numel() for p in trainable.values()):
        raise ValueError("module must have a parameter to train (requires_grad=True), got none")
    dtypes: dict[torch.dtype, str] = {}
    for name, p in trainable.items():
        dtypes.setdefault(p.dtype, name)
    if len(dtypes) > 1 or not dtypes.keys() <= _DTYPES:
        got = ", ".join(f"{dtype} ({name!r})" for dtype, name in dtypes.items())
        raise TypeError(f"parameters must be of one type, float32 or float64, got {got}")


def _check_statistics(module: torch.nn.Module) -> None:
    for name, layer in module.named_modules():
        if layer.training and getattr(layer, "track_running_stats", False):
            raise ValueError(
                f"running statistics are not part of a coded gradient, but {name!r} ({type(layer).__name__}) keeps "
                "some: use GroupNorm or LayerNorm instead, or put that layer into evaluation mode"
            )


def _check_loss(value: Any) -> None:
    rule = "loss must return a tensor of one element that depends on the module's parameters"
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"{rule}, got {type(value).__name__}")
    if value.numel() != 1 or not value.requires_grad:
        raise ValueError(f"{rule}, got shape {tuple(value.shape)} with requires_grad={value.requires_grad}")
