"""The contenders: gradcode, NumPy and SciPy, and the other libraries that are installed (optional.py).

"list" contenders get separate buffers, as they arrive from a network, and stack them into a buffer that is reused.
"packed" contenders get a stack that was made before. "fresh" ones are the shortest expression and create new arrays at
every call; all others write to an existing output.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import blas

import gc_core
from bench.kernels import optional
from bench.kernels.cases import SMALL, Case
from gc_core import DecodePlan, EncodePlan

OWN = "gradcode"
OWN_FLOAT32 = "gradcode float32"
NAMES = [
    *(OWN, "gc_core", "numpy fresh", "numpy list", "ml_dtypes list", "torch list"),
    *("numpy packed", "scipy packed", "ml_dtypes packed", "torch packed", "numba packed"),
    *("torch all 16-bit", OWN_FLOAT32, "gradcode at once", "numpy array", "nothing"),
]
# The fastest of several contenders in each round.
BEST = {
    "best numpy list": ("numpy list", "ml_dtypes list"),
    "best numpy packed": ("numpy packed", "scipy packed", "ml_dtypes packed"),
    "best numpy": ("numpy list", "numpy packed", "scipy packed", "ml_dtypes list", "ml_dtypes packed", "numpy fresh"),
}
# These do something else, or less. The report shows them but does not count losses against them.
OTHERS = {"torch all 16-bit", OWN_FLOAT32, "gradcode at once", "nothing"}

Call = Callable[[], Any]


class Data(NamedTuple):
    """The arrays of a case."""

    table: np.ndarray  # coefficients (k, m) or weights (m, S)
    inputs: list[np.ndarray]
    stacked: np.ndarray  # the inputs once more: (S, L), or (k * m, L)
    wide: np.ndarray  # the same in the type of the sums; a separate array if messages have 16 bits
    scratch: np.ndarray  # as large as the output, in the type of the sums
    out: np.ndarray


def make(case: Case, seed: int = 0) -> Data:
    """Return random arrays for a case."""
    rng = np.random.default_rng([seed, case.inputs, case.parts, case.size])
    decoding = case.kind == "decode"

    def random(*shape: int) -> np.ndarray:
        real = np.float32 if case.dtype == "float32" else np.float64
        return rng.random(shape, real) - real(0.5)

    table = random(*((case.parts, case.inputs) if decoding else (case.inputs, case.parts)))
    inputs = [random(case.stride if decoding else case.length) for _ in range(case.inputs)]
    if decoding and case.wire:
        inputs = [to_wire(array, case.wire) for array in inputs]
    stacked = np.stack(inputs).reshape(-1, case.stride)
    size = case.length if decoding else case.stride
    out = np.zeros(size, wire_type(case) if not decoding else case.dtype)
    wide = from_wire(stacked, case.wire) if decoding and case.wire else stacked
    return Data(table, inputs, stacked, wide, np.zeros(size, case.dtype), out)


def wire_type(case: Case) -> str:
    """Return the NumPy type of a message; NumPy has no bfloat16, so it is uint16 there."""
    return {None: case.dtype, "float16": "float16", "bfloat16": "uint16"}[case.wire]


def to_wire(array: np.ndarray, wire: str) -> np.ndarray:
    """Convert float32 numbers to 16 bits; for bfloat16 keep the upper half."""
    return array.astype("float16") if wire == "float16" else (array.view("uint32") >> 16).astype("uint16")


def from_wire(array: np.ndarray, wire: str) -> np.ndarray:
    """Convert 16-bit numbers to float32."""
    if wire == "float16":
        return array.astype("float32")
    return (array.astype("uint32") << 16).view("float32")


def contenders(case: Case, data: Data) -> dict[str, Call]:
    """Return all contenders that can run a case here; gradcode is named `OWN`."""
    made = decoders(case, data) if case.kind == "decode" else encoders(case, data)
    made |= optional.contenders(case, data)
    return {name: made[name] for name in NAMES if name in made}


def expected(case: Case, data: Data) -> tuple[np.ndarray, float]:
    """Return the result, computed by NumPy, and a bound on the difference from it."""
    table = data.table if case.kind == "decode" else data.table.reshape(1, -1)
    result = (table @ data.wide).ravel()
    largest = np.abs(table).sum(axis=1).max() * np.abs(data.wide).max()
    bound = 2 * table.shape[1] * np.finfo(case.dtype).eps * largest
    if case.kind == "encode" and case.wire:
        bound += (2**-8 if case.wire == "bfloat16" else 2**-11) * largest
    return result, float(bound)


def check(case: Case, data: Data, calls: dict[str, Call]) -> None:
    """Run every contender once, and compare it with NumPy."""
    result, bound = expected(case, data)
    sample = slice(None, None, max(1, result.size // 1_000_000))
    for name, call in calls.items():
        data.out[:] = 0
        found = call()
        if name in OTHERS:
            continue
        found = np.asarray(found).reshape(-1)[sample]
        if case.kind == "encode" and case.wire:
            found = from_wire(found, case.wire)
        error = np.abs(found - result[sample]).max()
        if not error <= bound:
            raise AssertionError(f"{name} is off by {error} in {case.name}; the bound is {bound}")


def decoders(case: Case, data: Data) -> dict[str, Call]:
    """Return the decoders of gradcode, NumPy and SciPy."""
    weights, messages, stacked, wide, scratch, out = data
    add = case.accumulate
    rows, sums = out.reshape(case.parts, -1), scratch.reshape(case.parts, -1)
    plan = _decode_plan(case, weights, wire_type(case))

    def widen() -> None:
        if case.wire == "float16":
            np.copyto(wide, stacked)
        elif case.wire:
            bits = wide.view("uint32")
            np.copyto(bits, stacked)
            np.left_shift(bits, 16, out=bits)

    def multiply() -> np.ndarray:
        np.matmul(weights, wide, out=sums if add else rows)
        return np.add(out, scratch, out=out) if add else out

    def packed() -> np.ndarray:
        widen()
        return multiply()

    def from_list() -> np.ndarray:
        np.stack(messages, out=stacked)
        return packed()

    calls: dict[str, Call] = {
        OWN: (lambda: plan.decode(messages, out, True)) if add else (lambda: plan.decode(messages, out)),
        "gc_core": lambda: gc_core.decode(weights, messages, out, add),
        "numpy list": from_list,
        "numpy packed": packed,
    }
    if case.size <= SMALL:
        calls["nothing"] = lambda: operator.is_(messages, out)
    if case.wire:
        plain = _decode_plan(case, weights, case.dtype)
        held = [row.copy() for row in wide]
        calls[OWN_FLOAT32] = lambda: plain.decode(held, out)
        return calls
    if case.size <= SMALL and not add:
        calls["numpy array"] = lambda: weights @ np.array(messages)
    if add:
        calls["numpy fresh"] = lambda: np.add(out, (weights @ np.stack(messages)).ravel(), out=out)
    else:
        calls["numpy fresh"] = lambda: weights @ np.stack(messages)
    calls["scipy packed"] = _gemm(weights, wide, rows, float(add), case.dtype)
    return calls


def encoders(case: Case, data: Data) -> dict[str, Call]:
    """Return the encoders of gradcode, NumPy and SciPy."""
    coefficients, gradients, stacked, _, scratch, out = data
    flat = coefficients.reshape(-1)
    blocks = [gradient.reshape(case.parts, -1) for gradient in gradients]
    plan = _encode_plan(case, coefficients, wire_type(case))

    def one_by_one() -> np.ndarray:
        np.dot(coefficients[0], blocks[0], out=out)
        for row, block in zip(coefficients[1:], blocks[1:], strict=True):
            np.dot(row, block, out=scratch)
            np.add(out, scratch, out=out)
        return out

    calls: dict[str, Call] = {}
    if case.inputs == 1:
        gradient = gradients[0]
        calls[OWN] = lambda: plan.encode(gradient, out)
    else:
        calls[OWN] = lambda: plan.encode(gradients, out)
        calls["numpy list"] = one_by_one
    calls["gc_core"] = lambda: gc_core.encode(coefficients, gradients, out)
    if case.size <= SMALL:
        calls["nothing"] = lambda: operator.is_(gradients[0], out)
    if case.accumulate:
        plans = [_encode_plan(case, row[np.newaxis], case.dtype) for row in coefficients]
        first = plans[0]
        later = list(zip(plans[1:], gradients[1:], strict=True))

        def streamed() -> np.ndarray:
            first.encode(gradients[0], out)
            for step, gradient in later:
                step.encode(gradient, out, True)
            return out

        return {OWN: streamed, "gradcode at once": calls[OWN], "numpy list": one_by_one}
    if case.wire:
        plain = _encode_plan(case, coefficients, case.dtype)
        calls[OWN_FLOAT32] = lambda: plain.encode(gradients, scratch)
        if case.wire == "float16" and case.inputs == 1:

            def rounded() -> np.ndarray:
                np.dot(flat, stacked, out=scratch)
                np.copyto(out, scratch, casting="same_kind")
                return out

            calls["numpy packed"] = rounded
        return calls
    calls["numpy packed"] = lambda: np.dot(flat, stacked, out=out)
    if case.inputs == 1:
        parts = case.parts
        calls["numpy fresh"] = lambda: flat @ gradient.reshape(parts, -1)
    else:
        calls["numpy fresh"] = lambda: flat @ np.stack(gradients).reshape(flat.size, -1)
    calls["scipy packed"] = _gemm(flat[np.newaxis], stacked, out[np.newaxis], 0.0, case.dtype)
    return calls


def _decode_plan(case: Case, weights: np.ndarray, wire: str) -> DecodePlan:
    return DecodePlan(weights, case.length, case.stride, case.dtype, wire)


def _encode_plan(case: Case, coefficients: np.ndarray, wire: str) -> EncodePlan:
    return EncodePlan(coefficients, case.length, case.stride, case.dtype, wire)


def _gemm(table: np.ndarray, stacked: np.ndarray, rows: np.ndarray, beta: float, dtype: str) -> Call:
    """Return a product by BLAS without NumPy. Everything is transposed, because BLAS stores columns contiguously."""
    first = "s" if dtype == "float32" else "d"
    columns = stacked.T
    if len(table) == 1:
        gemv, row, out = getattr(blas, f"{first}gemv"), table[0], rows[0]
        return lambda: gemv(1.0, columns, row, beta=beta, y=out, overwrite_y=True)
    gemm, weights, out = getattr(blas, f"{first}gemm"), table.T, rows.T
    return lambda: gemm(1.0, columns, weights, beta=beta, c=out, overwrite_c=True).T
