"""Contenders from optional libraries: PyTorch, Numba and ml_dtypes."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.kernels.cases import Case

if TYPE_CHECKING:
    from bench.kernels.contenders import Call, Data

LIBRARIES = ("torch", "numba", "ml_dtypes")
FUSED = 8  # up to this many streams, LLVM keeps them all in one loop
BLOCK = 2048


@cache
def library(name: str) -> Any:
    """Import a library; return None if it is not installed."""
    return importlib.import_module(name) if importlib.util.find_spec(name) else None


def contenders(case: Case, data: Data) -> dict[str, Call]:
    """Return the contenders of the installed libraries."""
    calls: dict[str, Call] = {}
    if torch := library("torch"):
        calls |= (torch_decoders if case.kind == "decode" else torch_encoders)(torch, case, data)
    if library("numba") and not case.wire and not case.accumulate:
        calls |= numba_calls(case, data)
    if case.wire == "bfloat16" and (ml_dtypes := library("ml_dtypes")):
        calls |= ml_dtypes_calls(ml_dtypes.bfloat16, case, data)
    return calls


def torch_decoders(torch: Any, case: Case, data: Data) -> dict[str, Call]:
    """Return contenders that stack and multiply in PyTorch, on the same memory."""
    weights, wide = torch.from_numpy(data.table), torch.from_numpy(data.wide)
    stacked, messages = _wire(torch, data.stacked, case.wire), [_wire(torch, x, case.wire) for x in data.inputs]
    rows = torch.from_numpy(data.out.reshape(case.parts, -1))

    def packed() -> Any:
        if case.wire:
            wide.copy_(stacked)
        return rows.addmm_(weights, wide) if case.accumulate else torch.mm(weights, wide, out=rows)

    def from_list() -> Any:
        torch.stack(messages, out=stacked)
        return packed()

    calls: dict[str, Call] = {"torch list": from_list, "torch packed": packed}
    if case.wire == "bfloat16":
        narrow, rounded = weights.to(torch.bfloat16), torch.empty(rows.shape, dtype=torch.bfloat16)
        calls["torch all 16-bit"] = lambda: torch.mm(narrow, stacked, out=rounded)
    return calls


def torch_encoders(torch: Any, case: Case, data: Data) -> dict[str, Call]:
    """Return contenders that multiply in PyTorch, on the same memory."""
    coefficients, scratch = torch.from_numpy(data.table), torch.from_numpy(data.scratch)
    transposed = [torch.from_numpy(x.reshape(case.parts, -1)).t() for x in data.inputs]
    flat, all_transposed = coefficients.reshape(-1), torch.from_numpy(data.stacked).t()
    out = _wire(torch, data.out, case.wire)

    def one_by_one() -> Any:
        torch.mv(transposed[0], coefficients[0], out=out)
        for j in range(1, case.inputs):
            out.addmv_(transposed[j], coefficients[j])
        return out

    def rounded() -> Any:
        torch.mv(all_transposed, flat, out=scratch)
        out.copy_(scratch)
        return data.out

    if case.wire:
        return {"torch packed": rounded}
    calls: dict[str, Call] = {"torch list": one_by_one} if case.inputs > 1 else {}
    if not case.accumulate:
        calls["torch packed"] = lambda: torch.mv(all_transposed, flat, out=out)
    return calls


def numba_calls(case: Case, data: Data) -> dict[str, Call]:
    """Return loops that Numba compiles for this processor, for one thread."""
    if case.kind == "encode":
        table, rows = data.table.reshape(1, -1), data.out[np.newaxis]
    else:
        table, rows = data.table, data.out.reshape(case.parts, -1)
    combine = numba_fused(table.size) if len(table) == 1 and table.size <= FUSED else numba_blocked()
    stacked = data.stacked

    def call() -> np.ndarray:
        combine(table, stacked, rows)
        return rows

    return {"numba packed": call}


@cache
def numba_fused(n: int) -> Callable[..., None]:
    """Compile a loop for one row that reads all n streams at once."""

    def combine(table, stacked, rows):  # type: ignore[no-untyped-def]
        row, out = table[0], rows[0]
        for t in range(out.size):
            total = row[0] * stacked[0, t]
            for i in range(1, n):
                total += row[i] * stacked[i, t]
            out[t] = total

    compiled: Callable[..., None] = library("numba").njit(fastmath=True)(combine)
    return compiled


@cache
def numba_blocked() -> Callable[..., None]:
    """Compile a loop over rows that reads four streams at once, in blocks that fit into a cache."""

    def combine(table, stacked, rows):  # type: ignore[no-untyped-def]
        streams = stacked.shape[0]
        for start in range(0, rows.shape[1], BLOCK):
            end = min(start + BLOCK, rows.shape[1])
            for u in range(rows.shape[0]):
                out, row = rows[u, start:end], table[u]
                out[:] = 0
                for i in range(0, streams - streams % 4, 4):
                    a, b, c, d = row[i], row[i + 1], row[i + 2], row[i + 3]
                    w, x = stacked[i, start:end], stacked[i + 1, start:end]
                    y, z = stacked[i + 2, start:end], stacked[i + 3, start:end]
                    for t in range(out.size):
                        out[t] += a * w[t] + b * x[t] + c * y[t] + d * z[t]
                for i in range(streams - streams % 4, streams):
                    a, w = row[i], stacked[i, start:end]
                    for t in range(out.size):
                        out[t] += a * w[t]

    compiled: Callable[..., None] = library("numba").njit(fastmath=True)(combine)
    return compiled


def ml_dtypes_calls(bfloat16: Any, case: Case, data: Data) -> dict[str, Call]:
    """Return contenders that use NumPy with the bfloat16 of ml_dtypes."""
    if case.kind == "encode":
        flat, message = data.table.reshape(-1), data.out.view(bfloat16)

        def rounded() -> np.ndarray:
            np.dot(flat, data.stacked, out=data.scratch)
            np.copyto(message, data.scratch, casting="unsafe")
            return data.out

        return {"ml_dtypes packed": rounded}
    stacked, rows = data.stacked.view(bfloat16), data.out.reshape(case.parts, -1)

    def packed() -> np.ndarray:
        np.copyto(data.wide, stacked)
        np.matmul(data.table, data.wide, out=rows)
        return rows

    def from_list() -> np.ndarray:
        np.stack(data.inputs, out=data.stacked)
        return packed()

    return {"ml_dtypes list": from_list, "ml_dtypes packed": packed}


def _wire(torch: Any, array: np.ndarray, wire: str | None) -> Any:
    tensor = torch.from_numpy(array)
    return tensor.view(torch.bfloat16) if wire == "bfloat16" else tensor
