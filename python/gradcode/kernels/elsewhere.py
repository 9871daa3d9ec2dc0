"""Encode and decode for arrays on another device, computed by their own library.

Almost all functions used are in the Python array API standard, which PyTorch follows too. Results are complete before
`out` is written. The library decides how products are rounded (PyTorch: ``torch.backends``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcode._validate import check_dtype
from gradcode.kernels.arrays import namespace, where, wire_of
from gradcode.kernels.coefficients import rounded
from gradcode.kernels.messages import FLOAT32, message_type, type_name
from gradcode.kernels.sizes import block_size

__all__ = ["decode", "encode"]


def encode(
    table: npt.NDArray[Any], gradients: Sequence[Any], out: Any, accumulate: bool, wire_dtype: Any = None
) -> Any:
    """Combine the blocks of gradients into a message; see `gradcode.kernels.encode`.

    Parameters
    ----------
    table : ndarray, shape (k, m)
        Coefficients.
    gradients : sequence of array, shape (l,)
        On one device, of one library.
    out : array or None, shape (L,)
        Where the message goes; there, too.
    accumulate : bool
        Add the message to `out`.
    wire_dtype : {None, "float16", "bfloat16"} or dtype
        16-bit type of the message.
    """
    first = gradients[0]
    library = namespace(first)
    dtype = check_dtype("gradients[0].dtype", type_name(first.dtype))
    _check_vectors("gradients", gradients)
    if len(table) != len(gradients):
        raise ValueError(
            f"coefficients must have one row for each of the {len(gradients)} gradients, got {len(table)} rows"
        )
    length, parts = first.shape[0], table.shape[1]
    size = block_size(length, parts, dtype.itemsize)
    kind = message_type(dtype, _wire_type_of(out) if wire_dtype is None else wire_dtype)
    target_type = first.dtype if kind.wire is None else _type_of(library, kind.name)
    if accumulate and kind.wire is not None:
        raise ValueError(f"accumulate must be False with messages of {kind.name}: those of 16 bits are rounded once")
    _check_out(out, first, target_type, size, accumulate)
    table = rounded("coefficients", table, dtype)

    whole = length // size
    tail = length - whole * size
    total = rest = None  # of all elements; and of the first ones, to which a short last block adds
    for row, gradient in zip(table, gradients, strict=True):
        for start, stop in _runs(row[:whole]):
            blocks = library.reshape(gradient[start * size : stop * size], (stop - start, size))
            total = _plus(total, _product(library, row[start:stop], blocks))
        if tail and row[whole]:
            rest = _plus(rest, gradient[whole * size :] * float(row[whole]))
    if total is None:
        total = library.zeros((size,), dtype=first.dtype, device=first.device)
    if rest is not None:
        total = library.concat([total[:tail] + rest, total[tail:]])
    return _put(_cast(library, total, target_type), out, accumulate)


def decode(
    table: npt.NDArray[Any],
    messages: Sequence[Any],
    gradient_size: int,
    out: Any,
    accumulate: bool,
    wire_dtype: Any = None,
) -> Any:
    """Combine messages into a gradient; see `gradcode.kernels.decode`.

    Parameters
    ----------
    table : ndarray, shape (m, S)
        Weights.
    messages : sequence of array, shape (L,)
        On one device, of one library.
    gradient_size : int
        Number of elements l of the gradient.
    out : array or None, shape (l,)
        Where the gradient goes; there, too.
    accumulate : bool
        Add the gradient to `out`.
    wire_dtype : {None, "float16", "bfloat16"} or dtype
        16-bit type of the messages.
    """
    first = messages[0]
    library = namespace(first)
    name = type_name(first.dtype)
    kind = message_type(FLOAT32.gradient, _wire_type_of(first) if wire_dtype is None else wire_dtype)
    if kind.wire not in (None, name):
        raise TypeError(f"messages[0] must be {kind.name} where wire_dtype is {kind.name}, got {name}")
    dtype = check_dtype("messages[0].dtype", name) if kind.wire is None else kind.gradient
    _check_vectors("messages", messages)
    parts, count = table.shape
    if count != len(messages):
        raise ValueError(f"weights must have one column for each of the {len(messages)} messages, got {count} columns")
    size = block_size(gradient_size, parts, dtype.itemsize)
    if first.shape[0] != size:
        raise ValueError(
            f"messages[0] must have {size} elements, message_size({gradient_size}, {parts}, {dtype}), "
            f"got {first.shape[0]}"
        )
    target_type = _type_of(library, dtype.name)
    _check_out(out, first, target_type, gradient_size, accumulate)
    table = rounded("weights", table, dtype)[: -(-gradient_size // size)]

    # Rows that take the same messages are one product; a message with zero weight is not read.
    together: dict[tuple[int, ...], list[int]] = {}
    for u, row in enumerate(table):
        together.setdefault(tuple(np.flatnonzero(row).tolist()), []).append(u)
    blocks: dict[int, Any] = {}
    for columns, rows in together.items():
        if columns:
            stacked = library.stack([_cast(library, messages[i], target_type) for i in columns])
            product = _product(library, table[np.ix_(rows, columns)], stacked)
        else:
            product = library.zeros((len(rows), size), dtype=target_type, device=first.device)
        blocks |= {u: product[i, :] for i, u in enumerate(rows)}
    whole = product if len(together) == 1 else library.stack([blocks[u] for u in range(len(table))])
    return _put(library.reshape(whole, (-1,))[:gradient_size], out, accumulate)


def _wire_type_of(array: Any) -> str | None:
    """Return the name of the 16-bit type that an array says it has."""
    kind = wire_of(array)
    return None if kind is None else kind.name


def _check_vectors(name: str, arrays: Sequence[Any]) -> None:
    """Check that all arrays are like the first, which has one dimension."""
    first = arrays[0]
    if len(first.shape) != 1:
        raise ValueError(f"{name}[0] must have 1 dimension, got {len(first.shape)}")
    if first.shape[0] == 0:
        raise ValueError(f"{name}[0] must have at least one element, got 0")
    for i, array in enumerate(arrays):
        if getattr(array, "requires_grad", False) is True:
            raise ValueError(
                f"{name}[{i}] must not require a gradient, got a {type(array).__name__} that does: "
                f"pass {name}[{i}].detach()"
            )
        _check_place(f"{name}[{i}]", array, f"{name}[0]", first)
        if array.dtype != first.dtype:
            raise TypeError(f"{name}[{i}] must be {first.dtype} as {name}[0] is, got {array.dtype}")
        if tuple(array.shape) != tuple(first.shape):
            raise ValueError(
                f"{name}[{i}] must have shape {tuple(first.shape)}, as {name}[0] has, got {tuple(array.shape)}"
            )


def _check_place(name: str, array: Any, other: str, first: Any) -> None:
    if not hasattr(array, "__dlpack__") or namespace(array) is not namespace(first) or array.device != first.device:
        raise TypeError(f"{name} must be a {where(first)} as {other} is, got {where(array)}")


def _check_out(out: Any, first: Any, dtype: Any, size: int, accumulate: bool) -> None:
    if out is None:
        if accumulate:
            raise ValueError("out must be given where accumulate is True, got None")
        return
    _check_place("out", out, "the first input", first)
    if out.dtype != dtype:
        raise TypeError(f"out must be {dtype}, got {out.dtype}")
    if tuple(out.shape) != (size,):
        raise ValueError(f"out must have shape ({size},), got {tuple(out.shape)}")
    if getattr(out, "requires_grad", False) is True:
        raise ValueError(f"out must not require a gradient, got a {type(out).__name__} that does: pass out.detach()")
    try:
        out[:0] = out[:0]
    except TypeError:
        raise ValueError(
            f"out must be writeable, got an immutable {type(out).__name__}; without out, a new array is returned"
        ) from None


def _type_of(library: Any, name: str) -> Any:
    if not hasattr(library, name):
        raise ValueError(f"wire_dtype must be a type of {library.__name__}, got {name}")
    return getattr(library, name)


def _runs(row: npt.NDArray[Any]) -> list[tuple[int, int]]:
    """Return the stretches of `row` without a zero: blocks side by side are one product, and none is copied."""
    bounds = np.flatnonzero(np.diff(np.concatenate([[0], row != 0, [0]])))
    return list(zip(bounds[::2].tolist(), bounds[1::2].tolist(), strict=True))


def _plus(total: Any, term: Any) -> Any:
    return term if total is None else total + term


def _product(library: Any, table: npt.NDArray[Any], rows: Any) -> Any:
    factor = library.asarray(table.tolist(), dtype=rows.dtype, device=rows.device)
    if library.__name__ == "jax.numpy":  # by default it computes with fewer digits where that is cheaper
        return library.matmul(factor, rows, precision="highest")
    return library.matmul(factor, rows)


def _cast(library: Any, array: Any, dtype: Any) -> Any:
    if array.dtype == dtype:
        return array
    return library.astype(array, dtype) if hasattr(library, "astype") else array.to(dtype)


def _put(result: Any, out: Any, accumulate: bool) -> Any:
    if out is None:
        return result
    if accumulate:
        out += result
    else:
        out[:] = result
    return out
