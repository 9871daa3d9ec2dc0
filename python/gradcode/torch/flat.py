"""The parameters of a module as one vector, and its gradient as the gradient function of a run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gradcode.errors import GradCodeError
from gradcode.rounds import Cluster, Gradient, Task
from gradcode.torch.modules import (
    check_loss,
    check_parameters,
    check_statistics,
    named_state,
    trainable_parameters,
    views_of,
)

__all__ = ["FlatParameters", "Loss", "gradient"]

Loss = Callable[[torch.nn.Module, Task], torch.Tensor | tuple[torch.Tensor, Mapping[str, float]] | None]

# Held while torch's global generator belongs to one task.
_generator = threading.Lock()


class FlatParameters:
    """The trainable parameters of a module as views of one vector, and their gradients as views of another.

    When this object is made, the parameters move into the vector, with their values. The module is used as before, and
    an optimiser may have been made for it already. Parameters with ``requires_grad=False`` stay where they are. A
    shared parameter is in the vector once.

    Parameters
    ----------
    module : torch.nn.Module
        It must have a trainable parameter. All of them must be on the CPU and of one type, float32 or float64.

    Attributes
    ----------
    module : torch.nn.Module
        The module.
    vector : torch.Tensor, shape (size,)
        The parameters, in the order of ``module.parameters()``.
    gradient : torch.Tensor, shape (size,)
        Every ``.grad`` is a view of it, after `backward`.

    Raises
    ------
    TypeError
        If `module` is not a module, or its parameters are of several types, or of a type other than these two.
    ValueError
        If there is nothing to train, if a parameter is not initialised yet, or is not a dense tensor on the CPU, or if
        a layer in training mode keeps running statistics.

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
        trainable = trainable_parameters(module)
        check_parameters(trainable)
        check_statistics(module)
        self.module = module
        size, dtype = sum(p.numel() for p in trainable.values()), next(iter(trainable.values())).dtype
        self.vector = torch.empty(size, dtype=dtype)
        self.gradient = torch.zeros(size, dtype=dtype)
        # The same memory as NumPy arrays, which the kernels and the engines take.
        self._vector: npt.NDArray[Any] = self.vector.numpy()
        self._gradient: npt.NDArray[Any] = self.gradient.numpy()
        self._parameters = trainable
        self._values = views_of(self.vector, trainable.values())
        self._gradients = views_of(self.gradient, trainable.values())
        for parameter, value in zip(trainable.values(), self._values, strict=True):
            parameter.data = value.copy_(parameter.data)
        self._state = dict(named_state(module))

    @property
    def size(self) -> int:
        """Number of trainable parameters: `gradient_size` of the run."""
        return int(self._vector.size)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Their type, float32 or float64: `dtype` of the run."""
        return self._vector.dtype

    def backward(self, cluster: Cluster) -> float:
        """Compute the gradient of the whole loss at the present parameters, and put it into every ``.grad``.

        This is the counterpart of ``loss.backward()``, except that it replaces what the ``.grad`` held before and does
        not add to it. So ``zero_grad()`` is not needed, but does no harm. If the master has penalties of its own, call
        their ``backward()`` afterwards. Nothing is copied here: the cluster reads `vector` and decodes into `gradient`.

        Parameters
        ----------
        cluster : Cluster
            It must have this object's size and dtype, and a gradient function made by `gradient`.

        Returns
        -------
        float
            The loss, summed over all data. A closure given to ``optimiser.step`` returns this.

        Raises
        ------
        TypeError, ValueError
            If the run was given another `dtype` or `gradient_size` than the module's.
        GradCodeError
            If the module's parameters are no longer views of the vector, as after ``module.double()``.
        """
        self._check_sizes(cluster.gradient_size, cluster.dtype)
        self._check_values(trainable_parameters(self.module))
        value, _ = cluster.value_and_gradient(self._vector, out=self._gradient)
        self._bind_gradients()
        return value

    def _compute(self, loss: Loss, params: npt.NDArray[Any], task: Task) -> Any:
        """Compute the gradient of `loss` at `params`, in the form that a gradient function returns."""
        self._check_sizes(params.size, params.dtype)
        self._check_values(self._parameters)  # the rest of the module is checked afterwards
        # The module cannot use views of `params`: it is read-only, and threads share it.
        np.copyto(self._vector, params)
        self.gradient.zero_()
        self._bind_gradients()
        versions = {name: tensor._version for name, tensor in self._state.items()}
        outcome = loss(self.module, task)
        if outcome is None or not task.wanted():
            return None
        value, scalars = outcome if isinstance(outcome, tuple) else (outcome, {})
        check_loss(value)
        if "loss" in scalars:
            raise ValueError(f"loss must report numbers of other names than 'loss' beside the loss, got {[*scalars]}")
        value.backward()  # type: ignore[no-untyped-call]
        for name, tensor in named_state(self.module):
            before: Any = self._state.get(name)
            if tensor is not before or tensor._version != versions[name]:
                raise GradCodeError(
                    f"the module must stay as it is while its gradient is computed, but {name!r} was written to; "
                    "the master and the other workers would not see that change"
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
        """Refuse to go on if the trainable parameters `now` are no longer views of the vector."""
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
        ``make_module()`` returns a new module, in the mode (training or evaluation) for computing its gradient. It is
        called once on each worker, before the first gradient. The master's parameters overwrite the trainable ones in
        each round; everything else must be the same in every module made.
    loss : callable
        ``loss(module, task)`` returns the loss of ``task.data`` as a tensor of one element, a sum over its rows; or
        the pair of it and a mapping of further names to numbers, such as counts. It may return None once
        ``task.wanted()`` is False. Take random numbers from torch's default generator, which is seeded with
        ``task.seed``, or make them from ``task.seed``. For the mean, divide by a constant, such as the number of all
        rows.

    Returns
    -------
    callable
        ``gradient(params, task)``, which returns the flat gradient and ``{"loss": value}``. The gradient is a buffer
        of the calling thread, overwritten by the thread's next call.

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
    of_thread = threading.local()  # threads are workers too, and each worker needs its own module

    def compute(params: npt.NDArray[Any], task: Task) -> Any:
        with _generator, torch.random.fork_rng(devices=[]):
            if not task.wanted():
                return None
            if not hasattr(of_thread, "flat"):
                of_thread.flat = FlatParameters(make_module())
            torch.default_generator.manual_seed(task.seed)
            return of_thread.flat._compute(loss, params, task)

    return compute
