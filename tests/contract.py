"""What every gradient-coding scheme must satisfy, whatever its construction."""

from __future__ import annotations

import functools
import itertools
import math
from typing import NamedTuple

import numpy as np
import pytest

from gradcode import LinearCode, kernels
from gradcode.errors import NotDecodable
from gradcode.schemes.systems import solve_systems

EPS = {"float32": np.finfo(np.float32).eps, "float64": np.finfo(np.float64).eps}


def straggler_patterns(scheme, limit=130):
    """All sets of `stragglers` missing workers, or `limit` random ones where there are more.

    `check_patterns` goes through all sets of each system, with weights and without messages.
    """
    n, s = scheme.n_workers, scheme.stragglers
    if math.comb(n, s) <= limit:
        return list(itertools.combinations(range(n), s))
    rng = np.random.default_rng([n, s])
    return [tuple(rng.choice(n, s, replace=False)) for _ in range(limit)]


def check_scheme(scheme, dtype="float64", sizes=(1, 7, 64)):
    check_shares(scheme)
    for size in sizes:
        rng = np.random.default_rng([scheme.n_workers, size])
        gradients = rng.standard_normal((scheme.n_subsets, size)).astype(dtype)
        messages = encode_all(scheme, gradients)
        for lost in straggler_patterns(scheme):
            check_decode(scheme, gradients, messages, [w for w in range(scheme.n_workers) if w not in lost])


def check_shares(scheme):
    """The subsets tile the data exactly, and the load is the largest share times n."""
    subsets = {s.index: s for w in range(scheme.n_workers) for s in scheme.subsets(w)}
    assert sorted(subsets) == list(range(scheme.n_subsets))
    for n_rows in (0, 1, 5, 97, 1437):
        slices = [subsets[i].slice(n_rows) for i in range(scheme.n_subsets)]
        assert [row for s in slices for row in range(s.start, s.stop)] == list(range(n_rows))
    shares = [sum(s.stop - s.start for s in scheme.subsets(w)) for w in range(scheme.n_workers)]
    assert scheme.load == pytest.approx(float(max(shares) * scheme.n_workers), rel=1e-12)


def encode_all(scheme, gradients):
    messages = []
    for worker in range(scheme.n_workers):
        held = [gradients[s.index] for s in scheme.subsets(worker)]
        message = scheme.encode(worker, held[0] if scheme.summed else held)
        parts = np.full_like(message, np.nan)
        for position, gradient in enumerate(held):
            row = scheme.coefficients(worker)[position : position + 1]
            kernels.encode(row, [gradient], parts, accumulate=position > 0)
        # Each is off by at most its additions' roundings, of half an eps each; together they differ by twice that.
        additions = scheme.communication * len(held) + 2
        bound = additions * EPS[message.dtype.name] * message_magnitude(scheme, worker, gradients)
        finite = np.isfinite(message)
        assert (np.abs(parts - message) <= bound)[finite].all()
        messages.append(message)
    return messages


def check_decode(scheme, gradients, messages, survivors):
    """Decoding is exact up to the rounding of messages and weights.

    A message is off by at most terms * eps * |C|·|g|, which decoding multiplies by |W|; the weights themselves are
    off by a few eps times the condition number, relative to their norm.
    """
    size, dtype = gradients.shape[1], gradients.dtype
    decoder = scheme.decoder(gradient_size=size, dtype=dtype)
    order = np.random.default_rng(len(survivors)).permutation(survivors)
    for worker in order:
        with_it = decoder.add(int(worker), messages[worker])
    condition, limit = worst_of(scheme, survivors), decoder.message_type.condition_limit
    assert decoder.ready == with_it
    if not with_it:  # it waits for a better condition
        assert condition > limit / 10
        assert decoder.accept_any_condition()
    else:
        assert condition < limit * 10
    assert decoder.ready and decoder.missing == ()
    result = decoder.result()
    exact = gradients.astype(np.float64).sum(axis=0)
    weights = scheme.weights(survivors)
    magnitudes = np.array([message_magnitude(scheme, w, gradients) for w in survivors])
    rounding = np.abs(weights) @ magnitudes
    rounding += condition * np.linalg.norm(weights, 2) * np.linalg.norm(messages_at(messages, survivors), axis=0)
    bound = rounding.reshape(-1)[:size] + np.abs(gradients).sum(axis=0)
    terms = len(survivors) + scheme.communication * max(len(scheme.subsets(w)) for w in survivors) + scheme.n_subsets
    error = np.abs(result - exact)
    assert (error <= terms * EPS[dtype.name] * bound).all(), f"error {error.max()} for survivors {survivors}"


def worst_of(scheme, survivors):
    """The largest condition of the systems that decode these survivors."""
    worst = 1.0
    for index, system in enumerate(scheme.systems):
        rows = [i for i, worker in enumerate(system.workers) if worker in set(survivors)]
        worst = max(worst, *conditions(span_of(scheme, index), [rows]))
    return worst


@functools.cache
def uncountable_code():
    """A code with so many sets of columns that its distance stays a bound. Finding that out takes seconds."""
    code = LinearCode(np.random.default_rng(0).standard_normal((20, 40)))
    assert not code.minimum_distance_is_exact
    return code


class Span(NamedTuple):
    """What the workers of a system can send.

    Attributes
    ----------
    directions : ndarray, shape (workers, rank)
        Each worker's coefficients, of norm 1, in an orthonormal basis of all.
    magnitudes : ndarray, shape (workers, columns)
        Absolute values of the same coefficients.
    wanted : ndarray, shape (m, rank)
        The sum's coefficients in that basis.
    """

    directions: np.ndarray
    magnitudes: np.ndarray
    wanted: np.ndarray


@functools.lru_cache(maxsize=64)
def span_of(scheme, index):
    coefficients, wanted = system_coefficients(scheme, scheme.systems[index])
    unit = coefficients / np.linalg.norm(coefficients, axis=1, keepdims=True)
    _, sigma, basis = np.linalg.svd(unit, full_matrices=False)
    basis = basis[sigma > max(unit.shape) * EPS["float64"] * sigma[0]]
    return Span(unit @ basis.T, np.abs(unit), wanted @ basis.T)


def conditions(span, sets):
    """By how much rounding the coefficients of these survivors shows in the sum: ‖|W|·|C_S|‖ / ‖wanted‖.

    W are the smallest weights with W·C_S = wanted, found here by singular values, whatever the scheme has found. That
    is a condition number which counts only directions that decoding needs, and messages of any size.

    Parameters
    ----------
    span : Span
        The coefficients of all workers, from the scheme alone.
    sets : sequence of sequences of int, all of one length
        Rows of them: who survives.
    """
    survivors = np.asarray(sets)
    directions = span.directions[survivors]
    weights = span.wanted @ np.linalg.pinv(directions, rcond=max(directions.shape[1:]) * EPS["float64"])
    # The basis is orthonormal, so norms in it are those of the coefficients.
    return np.linalg.norm(np.abs(weights) @ span.magnitudes[survivors], axis=(1, 2)) / np.linalg.norm(span.wanted)


def check_patterns(scheme):
    """From every set of survivors the weights give the sum, whatever the gradients: W·C_S = [I … I].

    Losing any s workers means losing 0..s of each system, so all C(n, s) patterns are met system by system. The weights
    solve a system of some condition and the coefficients are rounded, so what is off is a few eps times the condition.
    """
    for index, system in enumerate(scheme.systems):
        if system.matrix is scheme.systems[index - 1].matrix and index > 0:
            continue
        coefficients, wanted = system_coefficients(scheme, system)
        size = len(system.workers)
        for missing in range(min(scheme.stragglers, size) + 1):
            sets = [[i for i in range(size) if i not in lost] for lost in itertools.combinations(range(size), missing)]
            solutions = solve_systems([(system, columns) for columns in sets])
            assert all(np.isfinite(solution.condition) for solution in solutions), f"{scheme}: {missing} missing"
            weights = np.array([solution.weights for solution in solutions])
            errors = np.linalg.norm(weights @ coefficients[np.array(sets)] - wanted, axis=(1, 2))
            bounds = 16 * size * EPS["float64"] * conditions(span_of(scheme, index), sets) * np.linalg.norm(wanted)
            worst = np.argmax(errors / bounds)
            assert errors[worst] <= bounds[worst], (scheme, sets[worst], errors[worst], bounds[worst])


def system_coefficients(scheme, system):
    """Coefficients of the workers of a system in all blocks of the subsets that they hold, and those of the sum."""
    place = {}
    for worker in system.workers:
        for subset in scheme.subsets(worker):
            place.setdefault(subset.index, len(place))
    m = scheme.communication
    coefficients = np.zeros((len(system.workers), len(place), m))
    for row, worker in zip(coefficients, system.workers, strict=True):
        for subset, blocks in zip(scheme.subsets(worker), scheme.coefficients(worker), strict=True):
            row[place[subset.index]] = blocks
    return coefficients.reshape(len(system.workers), -1), np.tile(np.eye(m), len(place))


def messages_at(messages, survivors):
    return np.array([messages[w] for w in survivors], dtype=np.float64)


def message_magnitude(scheme, worker, gradients):
    """Sum of the absolute values of all terms of a message."""
    m, size = scheme.communication, gradients.shape[1]
    stride = scheme.message_size(size, gradients.dtype)
    padded = np.zeros((len(gradients), m * stride))
    padded[:, :size] = np.abs(gradients)
    held = [s.index for s in scheme.subsets(worker)]
    blocks = padded[held].reshape(len(held), m, stride)
    return np.einsum("ju,jut->t", np.abs(scheme.coefficients(worker)), blocks)


def check_refusals(scheme):
    """Sets that cannot be decoded are reported, never decoded wrongly."""
    n, m = scheme.n_workers, scheme.communication
    decoder = scheme.decoder(gradient_size=5)
    with pytest.raises(NotDecodable, match=r"not decodable from workers \[\]; more answers .* among \[0") as caught:
        decoder.result()
    assert caught.value.alive == () and caught.value.missing == tuple(range(n))
    for size in range(n + 1):
        for workers in itertools.islice(itertools.combinations(range(n), size), 300):
            stacked = [scheme.coefficients(w) for w in workers]
            decodable = brute_force_decodable(scheme, workers, stacked, m)
            assert scheme.is_decodable(workers) == decodable, workers
            if not decodable:
                with pytest.raises(NotDecodable):
                    scheme.weights(workers)


def brute_force_decodable(scheme, workers, stacked, m):
    """Whether every block of the sum is in the row span of the survivors' full coefficient matrix."""
    rows = np.zeros((len(workers), scheme.n_subsets * m))
    for row, worker, coefficients in zip(rows, workers, stacked, strict=True):
        for subset, block in zip(scheme.subsets(worker), coefficients, strict=True):
            row[subset.index * m : (subset.index + 1) * m] = block
    targets = np.tile(np.eye(m), scheme.n_subsets)
    return np.linalg.matrix_rank(rows) == np.linalg.matrix_rank(np.vstack([rows, targets])) if len(workers) else False
