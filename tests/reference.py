"""NumPy oracles of the kernels, in extended precision, with the bounds of what rounding may do."""

import numpy as np

REAL = np.longdouble


def encode(coefficients, gradients, size, initial=None):
    """Return the message of `size` elements and, per element, the sum of the magnitudes that enter it.

    Without an initial message to add to it starts from zero. Zero coefficients skip their block.
    """
    total = np.zeros(size, REAL) if initial is None else initial.astype(REAL)
    magnitude = np.abs(total)
    for row, gradient in zip(coefficients, gradients, strict=True):
        for u, c in enumerate(row):
            block = gradient[u * size : (u + 1) * size].astype(REAL)
            if c != 0:
                total[: block.size] += REAL(c) * block
                magnitude[: block.size] += np.abs(REAL(c) * block)
    return total, magnitude


def decode(weights, messages, size, initial=None):
    """Return the gradient of `size` elements and, per element, the sum of the magnitudes that enter it."""
    parts = weights.shape[0]
    stride = messages[0].size if messages else size
    total = np.zeros(parts * stride, REAL)
    magnitude = np.zeros(parts * stride, REAL)
    for u, row in enumerate(weights):
        block = slice(u * stride, (u + 1) * stride)
        for w, message in zip(row, messages, strict=True):
            if w != 0:
                total[block] += REAL(w) * message.astype(REAL)
                magnitude[block] += np.abs(REAL(w) * message.astype(REAL))
    total, magnitude = total[:size], magnitude[:size]
    if initial is not None:
        total, magnitude = total + initial, magnitude + np.abs(initial)
    return total, magnitude


def rounding_bound(n_products, magnitude, dtype):
    """Bound the error of a sum of n products, one more addition included, in any order, fused or not.

    Each product passes through at most n + 1 roundings of relative size eps / 2, for which (n + 1) * eps allows
    twice the first-order bound; a product that underflows loses at most the smallest subnormal number.
    """
    info = np.finfo(dtype)
    return (n_products + 1) * (info.eps * magnitude + info.smallest_subnormal)


def assert_sum(actual, expected, magnitude, n_products):
    """Assert that a computed sum of products is within the bound of the exact one."""
    error = np.abs(actual.astype(REAL) - expected)
    bound = rounding_bound(n_products, magnitude, actual.dtype)
    assert (error <= bound).all(), f"error {error.max()} above bound {bound[np.argmax(error - bound)]}"


def from_half(message, wire):
    """Return the float32 numbers that a message of float16, or of bfloat16 in uint16, holds."""
    if wire == "float16":
        return message.astype(np.float32)
    return (message.astype(np.uint32) << np.uint32(16)).view(np.float32)


def to_half(values, wire):
    """Round float32 numbers other than NaN to a message, to nearest, ties to even."""
    if wire == "float16":
        with np.errstate(over="ignore"):
            return values.astype(np.float16)
    bits = values.view(np.uint32)
    below, rest = bits >> np.uint32(16), bits & np.uint32(0xFFFF)
    up = (rest > 0x8000) | ((rest == 0x8000) & (below % 2 == 1))
    return (below + up).astype(np.uint16)


def solve(generator, survivors):
    """Return weights (None unless of full rank), rank and condition of one group, by singular values."""
    system = generator[:, survivors].T
    parts = generator.shape[0]
    if not survivors:
        return None, 0, np.inf
    singular = np.linalg.svd(system, compute_uv=False)
    rank = int((singular > max(system.shape) * np.finfo(np.float64).eps * singular[0]).sum())
    if rank < parts:
        return None, rank, np.inf
    return np.linalg.pinv(system), rank, singular[0] / singular[parts - 1]


# Messages of 16 bits: u is the largest relative error of rounding to one, t the largest error of a tiny number.
ROUNDOFF = {"float16": (2.0**-11, 2.0**-25), "bfloat16": (2.0**-8, 2.0**-134)}


def assert_rounded_sum(actual, wire, expected, magnitude, n_products):
    """Assert that a message is within the bound of a float32 sum that has been rounded once more."""
    relative, tiny = ROUNDOFF[wire]
    bound = rounding_bound(n_products, magnitude, np.float32)
    bound = bound + relative * (np.abs(expected) + bound) + tiny
    error = np.abs(from_half(actual, wire).astype(REAL) - expected)
    assert (error <= bound).all(), f"error {error.max()} above bound {bound[np.argmax(error - bound)]}"
