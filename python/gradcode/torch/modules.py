"""Checks whether the gradient of a module can be coded, and the tensors that a module holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch

__all__ = ["check_loss", "check_parameters", "check_statistics", "named_state", "trainable_parameters", "views_of"]

_DTYPES = {torch.float32, torch.float64}


def trainable_parameters(module: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """Return the parameters that training changes, by name."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def named_state(module: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield every tensor that a module holds, trained or not, with its name."""
    yield from module.named_parameters()
    yield from module.named_buffers()


def views_of(vector: torch.Tensor, parameters: Iterable[torch.nn.Parameter]) -> list[torch.Tensor]:
    """Cut `vector` into tensors of the parameters' shapes."""
    views, start = [], 0
    for p in parameters:
        views.append(vector[start : start + p.numel()].view(p.shape))
        start += p.numel()
    return views


def check_parameters(trainable: Mapping[str, torch.nn.Parameter]) -> None:
    """Refuse parameters that cannot become one vector: there must be some, dense, on the CPU and of one type."""
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


def check_statistics(module: torch.nn.Module) -> None:
    """Refuse a module that keeps running statistics: each worker would see those of its own rows only."""
    for name, layer in module.named_modules():
        if layer.training and getattr(layer, "track_running_stats", False):
            raise ValueError(
                f"running statistics are not part of a coded gradient, but {name!r} ({type(layer).__name__}) keeps "
                "some: use GroupNorm or LayerNorm instead, or put that layer into evaluation mode"
            )


def check_loss(value: Any) -> None:
    """Refuse what cannot be differentiated."""
    rule = "loss must return a tensor of one element that depends on the module's parameters"
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"{rule}, got {type(value).__name__}")
    if value.numel() != 1 or not value.requires_grad:
        raise ValueError(f"{rule}, got shape {tuple(value.shape)} with requires_grad={value.requires_grad}")
