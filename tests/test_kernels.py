"""Encode and decode against the oracles in reference.py: shapes, tails, offsets, special values, refusals."""

import doctest
import itertools
from concurrent.futures import ThreadPoolExecutor

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from levels import kernel_level  # noqa: F401  (a fixture, and it is used by every test here)

import gc_core
from gradcode import kernels

DTYPES = ["float32", "float64"]
GUARD = 8

# All short lengths and tails, then some longer ones, among them both sides of the lengths of strips and blocks.
LENGTHS = [*range(1, 80), *range(80, 600, 7), 767, 768, 769, 1023, 1024, 1025, 1536, 1537, 2047, 2049, 4097]


@pytest.fixture(params=DTYPES)
def dtype(request):
    return np.dtype(request.param)


def guarded(values, offset=0, guard=np.nan):
    """Return a copy of `values` that lies `offset` elements off a cache line, between guard elements.

    A kernel that reads a NaN guard shows it in its result; one that writes to a guard fails `assert_guarded`.
    """
    memory = np.full(values.size + 2 * GUARD + offset + 64, guard, values.dtype)
    start = (-memory.ctypes.data // values.itemsize) % (64 // values.itemsize) + GUARD + offset
    view = memory[start : start + values.size]
    view[...] = values
    return view


def assert_guarded(view):
    around = view.base.copy()
    start = (view.ctypes.data - view.base.ctypes.data) // view.itemsize
    around[start : start + view.size] = np.nan
    assert np.isnan(around).all(), "an element outside of the output was written"


def random_table(rng, shape, dtype, zeros=0.25):
    return np.where(rng.random(shape) < zeros, 0, rng.standard_normal(shape)).astype(dtype)


def check_encode(rng, n_gradients, parts, length, dtype, extra=0):
    stride = -(-length // parts) + extra
    offsets = itertools.cycle(range(5))
    coefficients = random_table(rng, (n_gradients, parts), dtype)
    gradients = [guarded(rng.standard_normal(length).astype(dtype), next(offsets)) for _ in range(n_gradients)]
    for accumulate in (False, True):
        initial = rng.standard_normal(stride).astype(dtype)
        out = guarded(initial, next(offsets))
        assert gc_core.encode(coefficients, gradients, out, accumulate) is out
        assert_guarded(out)
        expected, magnitude = reference.encode(coefficients, gradients, stride, initial if accumulate else None)
        reference.assert_sum(out, expected, magnitude, n_gradients * parts)


def check_decode(rng, n_messages, parts, length, dtype, extra=0):
    stride = -(-length // parts) + extra
    offsets = itertools.cycle(range(5))
    weights = random_table(rng, (parts, n_messages), dtype)
    messages = [guarded(rng.standard_normal(stride).astype(dtype), next(offsets)) for _ in range(n_messages)]
    for accumulate in (False, True):
        initial = rng.standard_normal(length).astype(dtype)
        out = guarded(initial, next(offsets))
        assert gc_core.decode(weights, messages, out, accumulate) is out
        assert_guarded(out)
        expected, magnitude = reference.decode(weights, messages, length, initial if accumulate else None)
        reference.assert_sum(out, expected, magnitude, n_messages)


@pytest.mark.parametrize("parts", range(1, 10))
def test_encode_at_every_length(rng, dtype, parts):
    for length in LENGTHS:
        check_encode(rng, 1 + length % 3, parts, length, dtype)


@pytest.mark.parametrize("parts", range(1, 10))
def test_decode_at_every_length(rng, dtype, parts):
    for length in LENGTHS:
        check_decode(rng, parts + length % 4, parts, length, dtype)


@pytest.mark.parametrize("parts", [1, 3, 8, 13, 20])
def test_every_number_of_rows_and_zeros(rng, dtype, parts):
    """Rows with the same zeros are combined together, at most eight at a time."""
    for zeros in (0, 0.02, 0.5, 0.98):
        weights = random_table(rng, (parts, 7), dtype, zeros)
        messages = [guarded(rng.standard_normal(300).astype(dtype)) for _ in range(7)]
        for length in (parts * 300, parts * 300 - 17):
            out = guarded(np.ones(length, dtype), 1)
            gc_core.decode(weights, messages, out)
            assert_guarded(out)
            expected, magnitude = reference.decode(weights, messages, length)
            reference.assert_sum(out, expected, magnitude, 7)


# Above six megabytes the kernels prefetch, write past the caches, and take many streams in groups.
LARGE = [(1, 2), (4, 2), (2, 12), (9, 8), (1, 14), (1, 150), (2, 140)]


@pytest.mark.parametrize("shape", LARGE, ids=lambda s: f"m{s[0]}S{s[1]}")
@pytest.mark.parametrize("aligned", [pytest.param(True, marks=pytest.mark.slow), False])
def test_large_problems(rng, dtype, shape, aligned):
    parts, count = shape
    stride = 8_000_000 // dtype.itemsize // (parts + count) + 1
    stride += -stride % 16 if aligned else 16 - stride % 16 + 3
    length = parts * stride - 5
    weights = rng.standard_normal((parts, count)).astype(dtype)
    messages = [guarded(rng.standard_normal(stride).astype(dtype), i % 5) for i in range(count)]
    expected, magnitude = reference.decode(weights, messages, length)
    for accumulate in (False, True):
        out = guarded(np.ones(length, dtype), 3)
        gc_core.decode(weights, messages, out, accumulate)
        assert_guarded(out)
        reference.assert_sum(out, expected + accumulate, magnitude + accumulate, count)
    gradients, coefficients = messages[: count // 2], weights.T[: count // 2].copy()
    size = -(-stride // parts)
    message = guarded(np.ones(size, dtype), 2)
    gc_core.encode(coefficients, gradients, message)
    assert_guarded(message)
    expected, magnitude = reference.encode(coefficients, gradients, size)
    reference.assert_sum(message, expected, magnitude, coefficients.size)


def test_an_element_is_the_same_wherever_it_lies(rng, dtype):
    """Beginning, middle and end of a row go through the same operations, so that replicas agree to the bit."""
    weights = rng.standard_normal((3, 9)).astype(dtype)
    messages = [rng.standard_normal(5000).astype(dtype) for _ in range(9)]
    whole = gc_core.decode(weights, messages, np.empty(15000, dtype)).reshape(3, 5000)
    for start, stop in [(0, 1), (1, 3), (7, 100), (100, 1000), (4990, 5000), (3, 4999)]:
        part = [message[start:stop] for message in messages]
        out = np.empty(3 * (stop - start), dtype)
        assert (gc_core.decode(weights, part, out).reshape(3, -1) == whole[:, start:stop]).all()


HALVES = {"float16": np.dtype(np.float16), "bfloat16": np.dtype(np.uint16)}


@pytest.mark.parametrize("wire", HALVES)
@pytest.mark.parametrize("length", [1, 5, 31, 64, 700, pytest.param(2_000_003, marks=pytest.mark.slow)])
def test_messages_of_16_bits(rng, wire, length):
    """The sum is made in float32, within its own bound, and rounded once to the nearest, ties to even."""
    parts, count = 3, 4
    stride = -(-length // parts)
    coefficients = random_table(rng, (count, parts), np.float32)
    gradients = [guarded(rng.standard_normal(length).astype(np.float32), i) for i in range(count)]
    complete = gc_core.encode(coefficients, gradients, np.empty(stride, np.float32))
    message = np.full(stride + 2, 7, HALVES[wire])
    gc_core.encode(coefficients, gradients, message[1:-1])
    assert (message[[0, -1]] == 7).all()
    np.testing.assert_array_equal(message[1:-1], reference.to_half(complete, wire))

    messages = [reference.to_half(rng.standard_normal(stride).astype(np.float32), wire) for _ in range(count)]
    weights = coefficients.T.copy()
    for accumulate in (False, True):
        out = guarded(np.ones(length, np.float32), 1)
        gc_core.decode(weights, messages, out, accumulate)
        assert_guarded(out)
        values = [reference.from_half(message, wire) for message in messages]
        expected, magnitude = reference.decode(weights, values, length)
        reference.assert_sum(out, expected + accumulate, magnitude + accumulate, count)


@pytest.mark.parametrize("wire", HALVES)
def test_every_number_of_16_bits_is_decoded_exactly(wire):
    bits = np.arange(65536, dtype=np.uint16).view(HALVES[wire])
    out = gc_core.decode(np.ones((1, 1), np.float32), [bits], np.empty(65536, np.float32))
    expected = reference.from_half(bits, wire)
    np.testing.assert_array_equal(out, expected)
    finite = np.isfinite(expected)
    assert finite.sum() > 60_000
    back = gc_core.encode(np.ones((1, 1), np.float32), [out], np.empty(65536, HALVES[wire]))
    np.testing.assert_array_equal(back[finite & (expected != 0)], bits[finite & (expected != 0)])
    assert np.isnan(reference.from_half(back, wire)[np.isnan(expected)]).all()


@pytest.mark.parametrize("wire", HALVES)
def test_rounding_to_16_bits(rng, wire):
    """Ties, their neighbours, subnormal results, the largest numbers, overflow, infinities and NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        every = reference.from_half(np.arange(65536, dtype=np.uint16).view(HALVES[wire]), wire)
        ladder = np.sort(every[np.isfinite(every)])
        ties = ((ladder[1:].astype(np.float64) + ladder[:-1]) / 2).astype(np.float32)
        values = np.concatenate(
            [
                ties,
                np.nextafter(ties, np.float32(np.inf)),
                np.nextafter(ties, np.float32(-np.inf)),
                rng.integers(0, 2**32, 200_000, dtype=np.uint64).astype(np.uint32).view(np.float32),
                np.float32([65504, 65519.99, 65520, 65536, 3.4e38, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 2**-25]),
            ]
        )
    message = gc_core.encode(np.ones((1, 1), np.float32), [values], np.empty(values.size, HALVES[wire]))
    nan = np.isnan(values)
    nonzero = ~nan & (values != 0)
    np.testing.assert_array_equal(message[nonzero], reference.to_half(values[nonzero], wire))
    assert np.isnan(reference.from_half(message[nan], wire)).all()


def test_messages_of_16_bits_are_refused_where_they_make_no_sense(refused):
    single = np.ones((2, 2), np.float32)
    if refused.op == "encode":
        vectors = [np.ones(10, np.float32)] * 2
        with pytest.raises(ValueError, match=r"^accumulate must be False where out is float16: a message of 16 bits"):
            gc_core.encode(single, vectors, np.ones(5, np.float16), True)
        with pytest.raises(TypeError, match=r"^gradients\[0\] must be float32 where out is uint16, got float64$"):
            gc_core.encode(single, [np.ones(10)] * 2, np.ones(5, np.uint16))
    else:
        refused(TypeError, r"^messages\[0\] must be float64 as out is, got float16$", vectors=[np.ones(5, "f2")] * 2)
        with pytest.raises(TypeError, match=r"^messages\[1\] must be float16 where out is float32, got uint16$"):
            gc_core.decode(single, [np.ones(5, np.float16), np.ones(5, np.uint16)], np.ones(10, np.float32))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 300])
def test_any_number_of_buffers(rng, dtype, count):
    check_encode(rng, count, 3, 50, dtype)
    check_decode(rng, count, 3, 50, dtype)


@pytest.mark.parametrize("extra", [1, 5, 40, 2000])
def test_stride_longer_than_needed(rng, dtype, extra):
    """Later blocks may then be empty."""
    for parts in (1, 2, 5):
        check_encode(rng, 2, parts, 23, dtype, extra)
        check_decode(rng, 6, parts, 23, dtype, extra)


def test_no_gradients_give_zeros_or_leave_the_message(dtype):
    out = np.full(5, 7, dtype)
    gc_core.encode(np.empty((0, 2), dtype), [], out, True)
    assert (out == 7).all()
    gc_core.encode(np.empty((0, 2), dtype), [], out)
    assert (out == 0).all()


def test_no_messages_give_zeros_or_leave_the_gradient(dtype):
    out = np.full(5, 7, dtype)
    gc_core.decode(np.empty((2, 0), dtype), [], out, True)
    assert (out == 7).all()
    gc_core.decode(np.empty((2, 0), dtype), (), out)
    assert (out == 0).all()


def test_empty_arrays_are_no_error(dtype):
    empty = np.empty(0, dtype)
    assert gc_core.encode(np.ones((1, 2), dtype), [empty], np.empty(0, dtype)).size == 0
    assert gc_core.encode(np.ones((1, 2), dtype), [empty], np.ones(3, dtype)).tolist() == [0, 0, 0]
    assert gc_core.decode(np.ones((2, 1), dtype), [empty], np.empty(0, dtype)).size == 0


def moderate(dtype):
    """Finite numbers whose products and sums stay finite, zeros of both signs among them."""
    return hnp.from_dtype(np.dtype(dtype), min_value=-1e6, max_value=1e6, allow_nan=False)


@st.composite
def problems(draw):
    """Return (dtype, parts, table, vectors, length, offset, accumulate), with a row of the table per vector."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    parts, count, length = draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.integers(1, 90))
    table = draw(hnp.arrays(dtype, (count, parts), elements=moderate(dtype), fill=st.just(0)))
    vectors = draw(hnp.arrays(dtype, (count, length), elements=moderate(dtype)))
    return dtype, parts, table, vectors, length, draw(st.integers(0, 7)), draw(st.booleans())


@given(problems())
def test_encode_is_the_sum_of_its_products(problem):
    dtype, parts, coefficients, vectors, length, offset, accumulate = problem
    gradients = [guarded(vector, offset) for vector in vectors]
    out = guarded(np.ones(-(-length // parts), dtype), offset)
    expected, magnitude = reference.encode(coefficients, gradients, out.size, out.copy() if accumulate else None)
    gc_core.encode(coefficients, gradients, out, accumulate)
    assert_guarded(out)
    reference.assert_sum(out, expected, magnitude, coefficients.size)


@given(problems())
def test_decode_is_the_sum_of_its_products(problem):
    dtype, parts, table, vectors, stride, offset, accumulate = problem
    weights = np.ascontiguousarray(table.T)
    messages = [guarded(vector, offset) for vector in vectors]
    out = guarded(np.ones(max(1, parts * stride - offset), dtype), offset)
    expected, magnitude = reference.decode(weights, messages, out.size, out.copy() if accumulate else None)
    gc_core.decode(weights, messages, out, accumulate)
    assert_guarded(out)
    reference.assert_sum(out, expected, magnitude, len(messages))


@given(st.integers(1, 9), st.integers(0, 4), st.integers(1, 600), st.sampled_from(DTYPES), st.integers(0, 2**32 - 1))
def test_round_trip(parts, extra, length, dtype, seed):
    """What `parts` or more messages were made of comes back from them, within what rounding may do."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    eps = np.finfo(dtype).eps
    generator = rng.standard_normal((parts, parts + extra + 2))
    survivors = rng.permutation(parts + extra + 2)[: parts + extra]
    gradient = rng.standard_normal(length).astype(dtype)
    messages = [kernels.encode(generator[:, j], gradient) for j in survivors]
    (weights,), (rank,), (condition,) = kernels.solve([generator], [survivors])
    assert rank == parts
    result = kernels.decode(weights, messages, length)
    assert result.dtype == dtype and result.shape == (length,)

    # |W| |G^T| |g| bounds what any of the products of weights, coefficients and elements can be; weights and
    # coefficients are rounded once, messages are sums of `parts` products, blocks of `len(messages)` products.
    stride = kernels.message_size(length, parts, dtype)
    blocks = np.zeros(parts * stride)
    blocks[:length] = np.abs(gradient)
    magnitude = np.abs(weights) @ np.abs(generator[:, survivors].T) @ blocks.reshape(parts, stride)
    system_error = 32 * (parts + len(messages)) * np.finfo(float).eps * condition * blocks.sum()
    bound = (len(messages) + parts + 4) * eps * magnitude.ravel()[:length] + system_error
    assert (np.abs(result - gradient.astype(float)) <= bound).all()


def test_streaming_gives_the_same_message_as_all_at_once(rng, dtype):
    coefficients = random_table(rng, (6, 3), dtype)
    gradients = [rng.standard_normal(100).astype(dtype) for _ in range(6)]
    streamed = np.zeros(34, dtype)
    for row, gradient in zip(coefficients, gradients, strict=True):
        gc_core.encode(row[np.newaxis], [gradient], streamed, accumulate=True)
    expected, magnitude = reference.encode(coefficients, gradients, 34)
    # One more addition per gradient than the bound of a single call knows.
    reference.assert_sum(streamed, expected, magnitude, coefficients.size + len(gradients))


def test_decode_completes_the_sum_before_it_adds(dtype):
    """Halves added one by one to 2 / eps would each be rounded away; their sum, 2, is not."""
    large = dtype.type(2 / np.finfo(dtype).eps)
    out = np.full(2500, large)
    messages = [np.ones(2500, dtype) for _ in range(4)]
    gc_core.decode(np.full((1, 4), 0.5, dtype), messages, out, accumulate=True)
    assert (out == large + 2).all()
    assert large + dtype.type(0.5) == large


def test_zero_coefficients_skip_their_block_unread(dtype):
    gradients = [np.full(8, np.nan, dtype), np.arange(8, dtype=dtype)]
    gradients[1][4:] = np.inf
    assert gc_core.encode(np.array([[0, 0], [2, 0]], dtype), gradients, np.empty(4, dtype)).tolist() == [0, 2, 4, 6]
    assert gc_core.encode(np.zeros((2, 2), dtype), gradients, np.full(4, np.nan, dtype)).tolist() == [0] * 4
    assert gc_core.encode(np.full((2, 2), -0.0, dtype), gradients, np.full(4, 5, dtype), True).tolist() == [5] * 4


def test_zero_weights_skip_their_message_unread(dtype):
    messages = [np.full(4, np.nan, dtype), np.arange(4, dtype=dtype)]
    out = np.full(7, np.nan, dtype)
    gc_core.decode(np.array([[0, 2], [0, 0]], dtype), messages, out)
    assert out.tolist() == [0, 2, 4, 6, 0, 0, 0]
    gc_core.decode(np.zeros((2, 2), dtype), messages, out, True)
    assert out.tolist() == [0, 2, 4, 6, 0, 0, 0]


@pytest.mark.parametrize("position", [0, 3, 40, 96])
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_special_values_are_carried_to_their_own_element(rng, dtype, special, position):
    gradients = [rng.standard_normal(97).astype(dtype) for _ in range(3)]
    gradients[1][position] = special
    coefficients = np.full((3, 2), -2, dtype)
    message = gc_core.encode(coefficients, gradients, np.empty(49, dtype))
    expected = np.full(49, True)
    expected[position % 49] = False
    assert (np.isfinite(message) == expected).all()
    np.testing.assert_equal(message[position % 49], dtype.type(-2 * special))

    messages = [np.ones(49, dtype), message, np.ones(49, dtype)]
    out = gc_core.decode(np.array([[1, -1, 1], [2, 0, 1]], dtype), messages, np.empty(97, dtype))
    expected = np.full(97, True)
    expected[position % 49] = False
    assert (np.isfinite(out) == expected).all()
    np.testing.assert_equal(out[position % 49], dtype.type(2 * special))


def test_special_coefficients_are_used(dtype):
    table = np.array([[np.nan, 0], [1, np.inf]], dtype)
    gradients = [np.ones(3, dtype), np.ones(3, dtype)]
    np.testing.assert_equal(gc_core.encode(table[:1], gradients[:1], np.empty(2, dtype)), [np.nan, np.nan])
    np.testing.assert_equal(gc_core.encode(table[1:], gradients[1:], np.empty(2, dtype)), [np.inf, 1])


def test_calls_from_several_threads(rng, dtype):
    weights = random_table(rng, (3, 7), dtype)
    messages = [rng.standard_normal(20_000).astype(dtype) for _ in range(7)]
    expected = gc_core.decode(weights, messages, np.empty(60_000, dtype))
    with ThreadPoolExecutor(4) as pool:
        tasks = [pool.submit(gc_core.decode, weights, messages, np.empty(60_000, dtype)) for _ in range(16)]
        assert all((task.result() == expected).all() for task in tasks)


def test_read_only_and_memory_mapped_inputs_are_taken(dtype, tmp_path):
    gradient = np.memmap(tmp_path / "gradient", dtype, "w+", shape=4)
    gradient[:] = [1, 2, 3, 4]
    table = np.ones((1, 2), dtype)
    table.flags.writeable = gradient.flags.writeable = False
    assert gc_core.encode(table, (gradient,), np.empty(2, dtype)).tolist() == [4, 6]


def test_neighbours_do_not_overlap(dtype):
    memory = np.arange(12, dtype=dtype)
    gc_core.encode(np.ones((1, 1), dtype), [memory[4:8]], memory[8:])
    gc_core.encode(np.ones((1, 1), dtype), [memory[4:8]], memory[:4])
    assert memory.tolist() == [4, 5, 6, 7] * 3


# What gc_core refuses: encode with a table (2, 2) and two gradients of 10, decode with a table (2, 2) and two
# messages of 5, in float64, one argument replaced.

OUT = {"encode": 5, "decode": 10}
VECTORS = {"encode": 10, "decode": 5}
TABLE_NAME = {"encode": "coefficients", "decode": "weights"}
VECTOR_NAME = {"encode": "gradients", "decode": "messages"}


@pytest.fixture(params=["encode", "decode"])
def refused(request):
    """Return a function that calls with one argument replaced, expects the error, and a writer of names."""
    op = request.param

    def call(error, text, **changes):
        names = {"table": TABLE_NAME[op], "vectors": VECTOR_NAME[op], "size": VECTORS[op]}
        out = np.full(OUT[op], 7.0)
        arguments = {"table": np.ones((2, 2)), "vectors": [np.ones(VECTORS[op]) for _ in range(2)], "out": out}
        arguments |= {key: value(arguments) if callable(value) else value for key, value in changes.items()}
        with pytest.raises(error, match=text.format(**names)):
            getattr(gc_core, op)(*arguments.values())
        assert (out == 7).all(), "a refused call wrote to its output"

    call.op = op
    return call


@pytest.mark.parametrize("value", [None, [1.0] * 10, 3, memoryview(b"12345678")])
def test_arguments_must_be_arrays(refused, value):
    kind = type(value).__name__
    refused(TypeError, f"^out must be a numpy.ndarray, got {kind}$", out=value)
    refused(TypeError, "^{table} must be a numpy.ndarray, got " + kind, table=value)
    refused(
        TypeError, r"^{vectors}\[1\] must be a numpy.ndarray, got " + kind, vectors=lambda a: [a["vectors"][0], value]
    )


def test_vectors_must_be_a_list_or_tuple(refused):
    for value in (np.ones((2, 10)), None, iter([])):
        kind = type(value).__name__
        refused(TypeError, f"^{{vectors}} must be a list or tuple of numpy.ndarray, got {kind}$", vectors=value)


def test_masked_arrays_are_refused(refused):
    refused(TypeError, "^out must be a plain numpy.ndarray, got a MaskedArray", out=np.ma.ones(10))
    refused(
        TypeError,
        r"^{vectors}\[0\] must be a plain numpy.ndarray",
        vectors=lambda a: [np.ma.array(v) for v in a["vectors"]],
    )


@pytest.mark.parametrize("other", ["float32", "int64", "float16", "complex128", "longdouble", "bool"])
def test_types_must_agree(refused, other):
    name = np.dtype(other).name
    refused(TypeError, f"^{{table}} must be float64 as out is, got {name}$", table=np.ones((2, 2), other))
    refused(
        TypeError,
        rf"^{{vectors}}\[1\] must be float64 as out is, got {name}$",
        vectors=lambda a: [a["vectors"][0], a["vectors"][1].astype(other)],
    )


@pytest.mark.parametrize("other", ["int32", "int16", "complex64", "longdouble"])
def test_out_must_be_of_a_type_that_the_kernels_take(refused, other):
    name = np.dtype(other).name
    types = "float32 or float64" if refused.op == "decode" else r"float32, float64, float16 or uint16 \(bfloat16\)"
    refused(TypeError, f"^out must be {types}, got {name}$", out=np.ones(10, other))


def test_dimensions(refused):
    refused(ValueError, "^out must have 1 dimension, got 2$", out=np.ones((2, 5)))
    refused(ValueError, "^{table} must have 2 dimensions, got 1$", table=np.ones(4))
    refused(ValueError, r"^{vectors}\[0\] must have 1 dimension, got 2$", vectors=[np.ones((2, 5))] * 2)
    refused(ValueError, r"^{vectors}\[0\] must have 1 dimension, got 0$", vectors=[np.ones(())] * 2)


def test_layout(refused):
    strided, backwards, swapped = np.ones(20)[::2], np.ones(10)[::-1], np.ones(10, ">f8")
    unaligned = np.frombuffer(bytearray(88), np.uint8)[1:81].view(np.float64)
    assert not unaligned.flags.aligned
    for bad, rule in [
        (strided, "C-contiguous, got strides .16,. bytes"),
        (backwards, "C-contiguous, got strides .-8,. bytes"),
        (swapped, "aligned and in native byte order, got dtype >f8, aligned=True"),
        (unaligned, "aligned and in native byte order, got dtype <f8, aligned=False"),
    ]:
        refused(ValueError, f"^out must be {rule}", out=bad)
        refused(ValueError, rf"^{{vectors}}\[1\] must be {rule}", vectors=lambda a, bad=bad: [a["vectors"][0], bad])
    refused(ValueError, "^{table} must be C-contiguous, got strides .8, 16. bytes", table=np.ones((2, 2)).T.copy("F"))


def test_out_must_be_writeable(refused):
    out = np.ones(10)
    out.flags.writeable = False
    refused(ValueError, "^out must be writeable, got a read-only array$", out=out)


def test_overlap(refused):
    memory = np.ones(100)
    last = slice(99, 100)
    refused(
        ValueError,
        r"^out must not overlap {vectors}\[1\], but they share memory$",
        vectors=lambda a: [a["vectors"][0], memory[: a["vectors"][0].size]],
        out=lambda a: memory[a["vectors"][0].size - 1 :],
    )
    refused(
        ValueError,
        r"^out must not overlap {vectors}\[1\], but they share memory$",
        vectors=lambda a: [a["vectors"][0], memory[9 : 9 + a["vectors"][0].size]],
        out=memory[:10],
    )
    refused(ValueError, r"^out must not overlap {vectors}\[0\]", vectors=lambda a: [a["out"]] * 2)
    refused(ValueError, "^out must not overlap {table}", table=memory[96:].reshape(2, 2), out=memory[last])


def test_sizes():
    two = [np.ones(10), np.ones(10)]
    with pytest.raises(ValueError, match=r"^gradients\[1\] must have 10 elements, as gradients\[0\] has, got 9$"):
        gc_core.encode(np.ones((2, 2)), [np.ones(10), np.ones(9)], np.ones(5))
    with pytest.raises(ValueError, match=r"^coefficients must have one row for each of the 2 gradients, got 3 rows$"):
        gc_core.encode(np.ones((3, 2)), two, np.ones(5))
    with pytest.raises(ValueError, match=r"^coefficients must have at least one column, got 0$"):
        gc_core.encode(np.ones((2, 0)), two, np.ones(5))
    with pytest.raises(ValueError, match=r"^out must have at least 4 elements for gradients of 10 .* 3 blocks, got 3$"):
        gc_core.encode(np.ones((2, 3)), two, np.ones(3))
    with pytest.raises(ValueError, match=r"^weights must have one column for each of the 2 messages, got 3 columns$"):
        gc_core.decode(np.ones((2, 3)), two, np.ones(20))
    with pytest.raises(ValueError, match=r"^weights must have at least one row, got 0$"):
        gc_core.decode(np.ones((0, 2)), two, np.ones(20))
    with pytest.raises(ValueError, match=r"^messages\[0\] must have at least 11 elements for out of 21 .* got 10$"):
        gc_core.decode(np.ones((2, 2)), two, np.ones(21))


# The door in gradcode.kernels


def test_message_size_is_the_least_for_small_blocks():
    for size, parts in itertools.product(range(1, 70), range(1, 12)):
        assert kernels.message_size(size, parts, "float64") == -(-size // parts)


@given(st.integers(1, 2**40), st.integers(1, 1000), st.sampled_from(DTYPES))
def test_message_size_is_aligned_for_large_blocks(size, parts, dtype):
    itemsize = np.dtype(dtype).itemsize
    least = -(-size // parts)
    result = kernels.message_size(size, parts, dtype)
    assert least <= result <= least + 15
    if least * itemsize >= 65536:
        assert result * itemsize % 64 == 0
        assert result - least < 64 // itemsize
    else:
        assert result == least


def test_message_size_at_the_threshold():
    assert kernels.message_size(16383, 1, "float32") == 16383
    assert kernels.message_size(16385, 1, "float32") == 16400
    assert kernels.message_size(8191, 1, "float64") == 8191
    assert kernels.message_size(8193, 1, "float64") == 8200


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((0, 2, "float32"), ValueError, "gradient_size must be an integer of at least 1, got 0"),
        ((10, 0, "float32"), ValueError, "parts must be an integer of at least 1, got 0"),
        ((10.0, 2, "float32"), TypeError, "gradient_size must be an integer of at least 1, got 10.0"),
        ((10, True, "float32"), TypeError, "parts must be an integer of at least 1, got True"),
        ((10, 2, "float16"), TypeError, "dtype must be one of float32, float64, got float16"),
        ((10, 2, ">f8"), TypeError, "dtype must be one of float32, float64, got >f8"),
    ],
)
def test_message_size_refuses(arguments, error, text):
    with pytest.raises(error, match=f"^{text}$"):
        kernels.message_size(*arguments)


def test_new_outputs_have_size_and_type_of_the_data(dtype):
    size = 100_003
    gradient = np.ones(size, dtype)
    message = kernels.encode([1, 1, 1], gradient)
    assert message.dtype == dtype and message.shape == (kernels.message_size(size, 3, dtype),)
    result = kernels.decode([[1]], [gradient[:7]], 7)
    assert result.dtype == dtype and result.tolist() == [1] * 7


def test_given_outputs_are_returned(dtype):
    gradients = [np.arange(5, dtype=dtype), np.ones(5, dtype)]
    out = np.full(3, 100, dtype)
    assert kernels.encode([[1, 0], [0, 1]], gradients, out) is out
    assert out.tolist() == [1, 2, 2]
    assert kernels.encode(np.array([0, 1]), gradients[1], out, accumulate=True).tolist() == [2, 3, 2]
    total = np.full(5, 100, dtype)
    assert kernels.decode([[1, 0], [0, 2]], [out, out], 5, total) is total
    assert total.tolist() == [2, 3, 2, 4, 6]
    assert kernels.decode([[1], [0]], (out,), 5, total, accumulate=True).tolist() == [4, 6, 4, 4, 6]


def test_tables_are_rounded_to_the_type_of_the_data():
    third = np.float64(1) / 3
    gradient = np.ones(1, np.float32)
    assert kernels.encode([third], gradient)[0] == np.float32(third)
    assert kernels.decode([[third]], [gradient], 1)[0] == np.float32(third)
    assert kernels.encode(np.float32([third]), gradient.astype(float))[0] == float(np.float32(third))
    transposed = np.array([[1.0, 2.0], [3.0, 4.0]]).T
    assert kernels.decode(transposed, [np.ones(1), np.zeros(1)], 2).tolist() == [1, 2]


TEN = np.ones(10)
FIVE = np.ones(5)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: kernels.encode([1, 1], [TEN]), TypeError, "gradients must be one array where .* got list"),
        (lambda: kernels.encode([[1, 1]], TEN), TypeError, "gradients must be a list or tuple .* got ndarray"),
        (lambda: kernels.encode([[1, 1]], [[1.0]]), TypeError, r"gradients\[0\] must be a numpy.ndarray, got list"),
        (lambda: kernels.encode([[1, 1]], []), ValueError, "gradients must hold at least one array, got none"),
        (lambda: kernels.encode([[1, 1]], [TEN[:0]]), ValueError, r"gradients\[0\] must have at least one element"),
        (lambda: kernels.encode([[1, 1]], [TEN, TEN]), ValueError, "coefficients must have one row for each of the 2"),
        (lambda: kernels.encode([1], TEN.reshape(2, 5)), ValueError, "gradients must have 1 dimension, got 2"),
        (lambda: kernels.encode([1], TEN.astype(int)), TypeError, "gradients.dtype must be one of .*, got int64"),
        (lambda: kernels.encode([1, 1], TEN[::2]), ValueError, r"gradients\[0\] must be C-contiguous"),
        (lambda: kernels.encode([], TEN), ValueError, r"coefficients must be a non-empty .* got shape \(0,\)"),
        (lambda: kernels.encode([[[1]]], TEN), ValueError, r"coefficients must be .* got shape \(1, 1, 1\)"),
        (lambda: kernels.encode(["1"], TEN), TypeError, "coefficients must be real numbers, got dtype <U1"),
        (
            lambda: kernels.encode(np.ma.ones(1), TEN),
            TypeError,
            "coefficients must be a plain array, got a MaskedArray",
        ),
        (lambda: kernels.encode([1j], TEN), TypeError, "coefficients must be real numbers, got dtype complex128"),
        (lambda: kernels.encode([True], TEN), TypeError, "coefficients must be real numbers, got dtype bool"),
        (lambda: kernels.encode([1, np.nan], TEN), ValueError, "coefficients must be finite in float64, got nan"),
        (lambda: kernels.encode([1e300], TEN.astype("f4")), ValueError, r"must be finite in float32, got 1e\+300"),
        (
            lambda: kernels.encode([1, 1], TEN, np.ones(6)),
            ValueError,
            r"out must have 5 elements, message_size\(10, 2, f",
        ),
        (lambda: kernels.encode([1, 1], TEN, [0] * 5), TypeError, "out must be a numpy.ndarray, got list"),
        (lambda: kernels.encode([1, 1], TEN, np.ones(5, "f4")), TypeError, "out must be float64 as gradients are"),
        (lambda: kernels.encode([1], TEN, accumulate=True), ValueError, "out must be given where accumulate is True"),
        (lambda: kernels.decode([1, 1], [FIVE] * 2, 10), ValueError, "weights must have 2 dimensions, got 1"),
        (lambda: kernels.decode([[1]], FIVE, 5), TypeError, "messages must be a list or tuple .* got ndarray"),
        (lambda: kernels.decode([[1]], [], 5), ValueError, "messages must hold at least one array, got none"),
        (lambda: kernels.decode([[1]], [FIVE], 5.0), TypeError, "gradient_size must be an integer .* got 5.0"),
        (lambda: kernels.decode([[1]], [FIVE], 0), ValueError, "gradient_size must be an integer .* got 0"),
        (lambda: kernels.decode([[1], [1]], [FIVE], 11), ValueError, r"messages\[0\] must have 6 .*\(11, 2, .* got 5"),
        (lambda: kernels.decode([[1], [1]], [FIVE], 8), ValueError, r"messages\[0\] must have 4 elements, .* got 5"),
        (lambda: kernels.decode([[1, 1]], [FIVE, TEN], 5), ValueError, r"messages\[1\] must have 5 .* got 10"),
        (lambda: kernels.decode([[np.inf]], [FIVE], 5), ValueError, "weights must be finite in float64, got inf"),
        (lambda: kernels.decode([[1]], [FIVE], 5, TEN), ValueError, "out must have 5 elements, gradient_size, got 10"),
        (lambda: kernels.decode([[1]], [FIVE], 5, FIVE), ValueError, r"out must not overlap messages\[0\]"),
        (lambda: kernels.decode([[1]], [FIVE], 5, accumulate=True), ValueError, "out must be given where accumulate"),
    ],
)
def test_the_door_refuses(call, error, text):
    with pytest.raises(error, match=f"^.*{text}"):
        call()


def test_examples_of_the_docstrings():
    results = doctest.testmod(kernels)
    assert results.attempted >= 8 and results.failed == 0
