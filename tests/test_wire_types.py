"""Messages of 16 bits: rounded once, decoded within a bound, checked with the rounding of their type in mind."""

from __future__ import annotations

import itertools
import warnings

import contract
import numpy as np
import pytest
import reference

from gradcode import (
    CyclicRepetition,
    FractionalRepetition,
    GradientCode,
    Grouped,
    IgnoreStragglers,
    Uncoded,
    YeAbbe,
    codes,
    design,
    kernels,
)
from gradcode.errors import CorruptedMessage, NotDecodable, PrecisionWarning
from gradcode.kernels.messages import message_type

WIRES = ["float16", "bfloat16"]
DTYPE = {"float16": np.dtype(np.float16), "bfloat16": np.dtype(np.uint16)}

pytestmark = pytest.mark.filterwarnings("ignore::gradcode.errors.LoadWarning")


@pytest.fixture(params=WIRES)
def wire(request):
    return request.param


def all_patterns(wire):
    """Every number of 16 bits, NaN and infinities among them."""
    return np.arange(2**16, dtype=np.uint16).view(DTYPE[wire])


# Names and sizes


def test_names_and_buffers(wire):
    assert kernels.wire_name(None, "float32") is None and kernels.wire_name(None, "float64") is None
    assert kernels.wire_name(wire, np.float32) == wire
    assert kernels.message_dtype("float32", wire) == DTYPE[wire]
    assert kernels.message_dtype("float64") == np.float64
    assert kernels.wire_name(np.float16, "float32") == kernels.wire_name(np.dtype("float16"), "float32") == "float16"


def test_names_of_other_libraries():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    assert kernels.wire_name(ml_dtypes.bfloat16, "float32") == "bfloat16"
    assert kernels.wire_name(np.dtype(ml_dtypes.bfloat16), "float32") == "bfloat16"


def test_names_of_torch():
    torch = pytest.importorskip("torch")
    assert kernels.wire_name(torch.bfloat16, "float32") == "bfloat16"
    assert kernels.wire_name(torch.float16, "float32") == "float16"


@pytest.mark.parametrize("bad", ["float32", "uint16", np.float32, np.dtype(">f2"), np.uint16, ""])
def test_other_types_are_refused(bad):
    with pytest.raises(ValueError, match="wire_dtype must be None, float16 or bfloat16, got "):
        kernels.wire_name(bad, "float32")


def test_what_is_no_type_is_refused():
    for bad in (16, True, 2.0):
        with pytest.raises(TypeError, match=f"wire_dtype must be None, float16 or bfloat16, got {bad}"):
            kernels.message_dtype("float32", bad)
    with pytest.raises(TypeError, match="dtype must be one of float32, float64, got float16"):
        kernels.message_dtype("float16")


def test_double_precision_is_never_made_so_coarse(wire):
    scheme, text = design(4, 2, 2), f"wire_dtype must be None with dtype float64, got {wire}: 16-bit messages are of"
    for call in (
        lambda: kernels.message_dtype("float64", wire),
        lambda: kernels.encode([1, 1], np.ones(4), wire_dtype=wire),
        lambda: scheme.encode(0, np.ones(4), wire_dtype=wire),
        lambda: scheme.decoder(4, wire_dtype=wire),
        lambda: scheme.encode_plan(0, 4, wire_dtype=wire),
        lambda: scheme.decode_plan(range(4), 4, wire_dtype=wire),
    ):
        with pytest.raises(ValueError, match=text):
            call()


# Rounding


def float32_at_and_between(wire):
    """Numbers that have 16 bits, those halfway between two, and their neighbours in float32."""
    exact = reference.from_half(all_patterns(wire), wire)
    exact = np.sort(exact[np.isfinite(exact)])
    halfway = ((exact[1:].astype(np.float64) + exact[:-1]) / 2).astype(np.float32)
    edges = np.float32([65504, 65519.996, 65520, 3.3895314e38, 3.4e38, np.inf, np.nan, 2.0**-25, 2.0**-149, 1e-45])
    values = np.concatenate([exact, halfway, edges, -edges])
    return np.concatenate([values, np.nextafter(values, np.float32(np.inf)), np.nextafter(values, -np.float32(np.inf))])


def assert_same_numbers(actual, expected, wire):
    actual, expected = reference.from_half(actual, wire), reference.from_half(expected, wire)
    np.testing.assert_array_equal(actual, expected)  # NaN wherever NaN is expected
    np.testing.assert_array_equal(np.signbit(actual[expected == 0]), np.signbit(expected[expected == 0]))


def test_one_product_is_rounded_to_nearest_even(wire):
    with np.errstate(over="ignore", invalid="ignore"):
        values = float32_at_and_between(wire)
        message = kernels.encode([1], values, wire_dtype=wire)
        assert message.dtype == DTYPE[wire] and message.shape == (kernels.message_size(values.size, 1, "float32"),)
        expected = reference.to_half(values, wire)
    # A product is added to zero, and -0 + 0 = 0.
    negative_zero = (expected.view(np.uint16) == 0x8000) & (message[: values.size].view(np.uint16) == 0)
    expected.view(np.uint16)[negative_zero] = 0
    assert_same_numbers(message[: values.size], expected, wire)


def test_the_oracle_rounds_as_ml_dtypes_does():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    values = float32_at_and_between("bfloat16")
    with np.errstate(over="ignore", invalid="ignore"):
        expected = values.astype(ml_dtypes.bfloat16).view(np.uint16)
    assert_same_numbers(reference.to_half(values, "bfloat16"), expected, "bfloat16")


@pytest.mark.parametrize("parts", [1, 2, 3, 5])
def test_sums_are_rounded_once(rng, wire, parts):
    for length in (1, 7, 33, 100, 1025, 5000):
        coefficients = rng.standard_normal((3, parts)).astype(np.float32)
        coefficients[1, parts // 2] = 0
        gradients = [rng.standard_normal(length).astype(np.float32) for _ in range(3)]
        message = kernels.encode(coefficients, gradients, wire_dtype=wire)
        expected, magnitude = reference.encode(coefficients, gradients, message.size)
        reference.assert_rounded_sum(message, wire, expected, magnitude, coefficients.size)


def test_every_number_is_decoded_as_it_is(wire):
    messages = all_patterns(wire)
    result = kernels.decode([[1]], [messages], 2**16, wire_dtype=wire)
    expected = reference.from_half(messages, wire)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, expected)


def test_decoding_sums_in_float32(rng, wire):
    weights = rng.standard_normal((2, 5)).astype(np.float32)
    messages = [reference.to_half(rng.standard_normal(50).astype(np.float32), wire) for _ in range(5)]
    initial = rng.standard_normal(99).astype(np.float32)
    exact = [reference.from_half(message, wire) for message in messages]
    for accumulate in (False, True):
        out = initial.copy()
        result = kernels.decode(weights, messages, 99, out, accumulate=accumulate, wire_dtype=wire)
        assert result is out
        expected, magnitude = reference.decode(weights, exact, 99, initial if accumulate else None)
        reference.assert_sum(out, expected, magnitude, 5)


def test_a_message_made_part_by_part_is_rounded_when_it_is_complete(rng, wire):
    scheme = CyclicRepetition(6, 2)
    held = [rng.standard_normal(40).astype(np.float32) for _ in scheme.subsets(0)]
    message = np.empty(40, np.float32)
    for position, gradient in enumerate(held):
        kernels.encode(scheme.coefficients(0)[position], gradient, message, accumulate=position > 0)
    rounded = kernels.encode([1], message, np.empty(40, DTYPE[wire]), wire_dtype=wire)
    expected, magnitude = reference.encode(scheme.coefficients(0).astype(np.float32), held, 40)
    reference.assert_rounded_sum(rounded, wire, expected, magnitude, 2 * len(held))


# Schemes

SCHEMES = [
    Uncoded(3),
    design(4, 2, 2),
    design(8, 1, 2),
    Grouped(6, codes.default(6, 3)),
    Grouped(7, codes.simplex()),
    Grouped(5, codes.gaussian(5, 2)),
    Grouped(9, [codes.harmonic(5, 2), codes.harmonic(4, 2)], shares=[1, 2]),
    FractionalRepetition(6, 2),
    CyclicRepetition(7, 2),
    YeAbbe(7, 4, 2, 2),
    YeAbbe(8, 4, 2, 2, "harmonic"),
    GradientCode.from_coefficients([[0.5, 1, 0], [0, 1, -1], [0.5, 0, 1]]),
]


def encoded(scheme, gradients, wire):
    messages = []
    for worker in range(scheme.n_workers):
        held = [gradients[subset.index] for subset in scheme.subsets(worker)]
        messages.append(scheme.encode(worker, held[0] if scheme.summed else held, wire_dtype=wire))
    return messages


def decoding_error_bound(scheme, gradients, received, survivors, wire):
    """What rounding of messages may make of the sum, and what arithmetic in float32 adds to it, as in contract.py."""
    size, weights = gradients.shape[1], scheme.weights(survivors)
    relative, tiny = reference.ROUNDOFF[wire]
    # |y| <= |rounded y| / (1 - u) makes the error of rounding at most u / (1 - u) |rounded y|.
    rounding = np.abs(weights) @ (np.abs(received) * relative / (1 - relative) + tiny)
    magnitudes = np.array([contract.message_magnitude(scheme, w, gradients) for w in survivors])
    single = np.abs(weights) @ magnitudes
    single += contract.worst_of(scheme, survivors) * np.linalg.norm(weights, 2) * np.linalg.norm(received, axis=0)
    single = single.reshape(-1)[:size] + np.abs(gradients).sum(axis=0)
    terms = len(survivors) + scheme.communication * max(len(scheme.subsets(w)) for w in survivors) + scheme.n_subsets
    return rounding.reshape(-1)[:size] + terms * contract.EPS["float32"] * single


@pytest.mark.filterwarnings("ignore::gradcode.errors.PrecisionWarning")
@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
def test_every_pattern_decodes_within_the_bound(scheme, wire, rng):
    size = 6 * scheme.communication + 1
    gradients = rng.standard_normal((scheme.n_subsets, size)).astype(np.float32)
    messages = encoded(scheme, gradients, wire)
    exact = gradients.sum(axis=0, dtype=np.float64)
    for missing in range(scheme.stragglers + 1):
        for lost in itertools.combinations(range(scheme.n_workers), missing):
            survivors = [w for w in range(scheme.n_workers) if w not in lost]
            decoder = scheme.decoder(size, "float32", wire_dtype=wire)
            for worker in survivors:
                decoder.add(worker, messages[worker])
            limit = message_type("float32", wire).condition_limit
            assert decoder.ready or contract.worst_of(scheme, survivors) > limit / 10
            assert decoder.accept_any_condition()
            result = decoder.result()
            assert result.dtype == np.float32
            received = np.array([reference.from_half(messages[w], wire) for w in survivors], np.float64)
            bound = decoding_error_bound(scheme, gradients, received, survivors, wire)
            assert (np.abs(result - exact) <= bound).all(), survivors
            # And the estimate, where nothing is left to estimate, is the sum.
            estimate = decoder.estimate()
            assert estimate.error_factor == 0
            assert (np.abs(estimate.gradient - exact) <= bound).all(), survivors


def test_inexact_schemes_and_estimates_take_them_too(rng, wire):
    scheme = IgnoreStragglers(5, 2)
    gradients = rng.standard_normal((5, 8)).astype(np.float32)
    messages = encoded(scheme, gradients, wire)
    decoder = scheme.decoder(8, "float32", wire_dtype=wire)
    for worker in (0, 2, 3):
        decoder.add(worker, messages[worker])
    exact = [reference.from_half(messages[worker], wire) for worker in (0, 2, 3)]
    expected, magnitude = reference.decode(np.full((1, 3), np.float32(5 / 3)), exact, 8)
    reference.assert_sum(decoder.result(), expected, magnitude, 3)

    scheme = FractionalRepetition(6, 1)
    gradients = rng.standard_normal((scheme.n_subsets, 8)).astype(np.float32)
    messages = encoded(scheme, gradients, wire)
    decoder = scheme.decoder(8, "float32", wire_dtype=wire)
    for worker in (0, 3):
        decoder.add(worker, messages[worker])
    found, factor = decoder.estimate()
    expected = sum(reference.from_half(messages[worker], wire).astype(np.float64) for worker in (0, 3))
    np.testing.assert_allclose(found, expected, rtol=0, atol=8 * np.finfo("f4").eps * np.abs(expected).max())
    assert factor == pytest.approx(1) and not decoder.ready


def test_plans_do_what_calls_do(rng, wire):
    for scheme in (design(6, 1, 2), CyclicRepetition(5, 1)):
        size, survivors = 101, [w for w in range(scheme.n_workers) if w != 1][::-1]
        gradients = rng.standard_normal((scheme.n_subsets, size)).astype(np.float32)
        for wire_dtype in (wire, None):
            messages = encoded(scheme, gradients, wire_dtype)
            buffer = np.empty(scheme.message_size(size, "float32"), kernels.message_dtype("float32", wire_dtype))
            for worker in range(scheme.n_workers):
                plan = scheme.encode_plan(worker, size, "float32", wire_dtype=wire_dtype, num_threads=2)
                held = [gradients[subset.index] for subset in scheme.subsets(worker)]
                assert isinstance(plan, kernels.EncodePlan) and plan.encode(held, buffer) is buffer
                np.testing.assert_array_equal(buffer, messages[worker])
            plan = scheme.decode_plan(survivors, size, "float32", wire_dtype=wire_dtype)
            assert isinstance(plan, kernels.DecodePlan)
            chosen = [messages[w] for w in survivors]
            result = plan.decode(chosen, np.empty(size, np.float32))
            expected = kernels.decode(scheme.weights(survivors), chosen, size, wire_dtype=wire_dtype)
            np.testing.assert_array_equal(result, expected)


def test_plans_and_errors_tell_of_bad_conditions():
    """The decoder waits, and says what for; a plan for these survivors warns."""
    scheme = YeAbbe(6, load=3, stragglers=1, communication=2)
    with pytest.warns(PrecisionWarning):
        decoder = scheme.decoder(10, "float32", wire_dtype="bfloat16")
    for worker in range(1, 6):
        gradients = [np.ones(10, np.float32)] * 3
        decoder.add(worker, scheme.encode(worker, gradients, wire_dtype="bfloat16"))
    with pytest.raises(
        NotDecodable,
        match=r"is decodable from workers .* only with a condition number above 16, .* accept_any_condition\(\)$",
    ):
        decoder.result()
    with pytest.warns(PrecisionWarning, match=r"^decoding from workers \[1, 2, 3, 4, 5\] can lose 1.[0-9] digits"):
        scheme.decode_plan(range(1, 6), 10, "float32", wire_dtype="bfloat16")
    scheme.decode_plan(range(1, 6), 10)  # in float64 there is nothing to warn of
    decoder.accept_any_condition()
    assert np.allclose(decoder.result(), 6, rtol=0.5)


def test_plans_refuse_what_calls_refuse():
    scheme = design(4, 2, 2)
    with pytest.raises(NotDecodable, match=r"not decodable from workers \[0\]; more answers .* among \[1, 2, 3\]"):
        scheme.decode_plan([0], 10)
    with pytest.raises(ValueError, match=r"worker must be in 0\.\.3, got 4"):
        scheme.encode_plan(4, 10)
    with pytest.raises(TypeError, match="dtype must be one of float32, float64, got int64"):
        scheme.encode_plan(0, 10, int)
    with pytest.raises(ValueError, match="gradient_size must be an integer of at least 1, got 0"):
        scheme.decode_plan([0, 1], 0)
    with pytest.raises(ValueError, match="num_threads must be an integer of at least 1"):
        scheme.encode_plan(0, 10, num_threads=0)


# How many digits are left


def test_conditions_that_leave_half_the_digits():
    scheme = Grouped(10, codes.harmonic(10, 4))
    limits = {wire: message_type("float32", wire).condition_limit for wire in (*WIRES, None)}
    assert limits == {"float16": 45, "bfloat16": 16, None: 1e4}
    columns = scheme.code.generator
    conditions = {left: np.linalg.cond(columns[:, left]) for left in itertools.combinations(range(10), 4)}
    between = [survivors for survivors, condition in conditions.items() if 16 < condition <= 45]
    assert between
    for wire, ready in (("float16", True), ("bfloat16", False), (None, True)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PrecisionWarning)
            decoder = scheme.decoder(8, "float32", wire_dtype=wire)
        assert decoder.message_type.wire == wire
        for worker in between[0]:
            decoder.add(worker, np.zeros(2, kernels.message_dtype("float32", wire)))
        assert decoder.ready == ready and decoder.accept_any_condition()


def test_it_is_warned_of_where_digits_are_lost():
    lossy = Grouped(24, codes.harmonic(24, 12))  # worst condition 9e4
    with pytest.warns(PrecisionWarning, match=r"float16 messages can lose 5.0 of their 3 digits .* take float32 mess"):
        lossy.decoder(24, "float32", wire_dtype="float16")
    with pytest.warns(PrecisionWarning, match=r"bfloat16 messages can lose 5.0 of their 2 digits .* above 16 wait"):
        lossy.decoder(24, "float32", wire_dtype="bfloat16")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        design(12, 2, 2).decoder(24, "float32", wire_dtype="bfloat16")


# Corruption

CLEAN = [
    Grouped(8, codes.default(8, 4)),
    Grouped(12, codes.default(12, 6)),
    FractionalRepetition(6, 2),
    Grouped(8, codes.hamming_extended(), prefer="decoding"),
    YeAbbe(12, 6, 4, 2, "harmonic"),
    CyclicRepetition(9, 4),
    YeAbbe(10, 5, 3, 2),
]


@pytest.mark.filterwarnings("ignore::gradcode.errors.PrecisionWarning")
@pytest.mark.parametrize("scheme", CLEAN, ids=repr)
def test_no_false_alarm_in_clean_decodes(scheme, wire):
    """Normal and long-tailed data, constants, data that rounds in one direction only, and tiny numbers, in turn."""
    rng, size = np.random.default_rng(0), 60 * scheme.communication
    up = 1 + reference.ROUNDOFF[wire][0] * 1.01  # just above halfway: every element of a message 1 * up is rounded up
    draws = [
        rng.standard_normal,
        lambda shape: rng.standard_t(1.5, shape),
        np.ones,
        lambda shape: np.full(shape, up),
        lambda shape: 1e-7 * rng.standard_normal(shape),
        lambda shape: 1e-38 * rng.standard_normal(shape),
    ]
    compared = 0
    for trial in range(120):
        gradients = np.asarray(draws[trial % len(draws)]((scheme.n_subsets, size))).astype(np.float32)
        messages = encoded(scheme, gradients, wire)
        lost = rng.choice(scheme.n_workers, rng.integers(0, max(1, scheme.stragglers)), replace=False)
        decoder = scheme.decoder(size, "float32", wire_dtype=wire, check="projection")
        for worker in range(scheme.n_workers):
            if worker not in lost:
                decoder.add(worker, messages[worker])
        decoder.accept_any_condition()
        decoder.result()
        assert decoder.corrupted == ()
        compared += decoder.unchecked == ()
    assert compared >= 60


@pytest.mark.parametrize("survivors", [6, 7, 8])
def test_errors_of_a_tenth_are_found_and_named(survivors, wire):
    scheme, rng = Grouped(8, codes.default(8, 4)), np.random.default_rng(survivors)
    found = named = 0
    trials = 200
    for _ in range(trials):
        gradient = rng.standard_normal(400).astype(np.float32)
        workers = rng.choice(8, survivors, replace=False).tolist()
        wrong = int(rng.choice(workers))
        messages = [scheme.encode(w, gradient) for w in range(8)]
        size = 0.1 * np.linalg.norm(messages[wrong]) / np.sqrt(100)
        messages[wrong] = messages[wrong] + (size * rng.standard_normal(100)).astype(np.float32)
        decoder = scheme.decoder(400, "float32", wire_dtype=wire, check="projection")
        for worker in workers:
            decoder.add(worker, kernels.encode([1], messages[worker], wire_dtype=wire))
        decoder.accept_any_condition()
        try:
            decoder.result()
        except CorruptedMessage as error:
            assert wrong in error.workers and error.excess > 1
            found += 1
            continue
        if decoder.corrupted:
            found += 1
            named += decoder.corrupted == (wrong,)
            assert wrong not in decoder.used
    assert found >= 0.95 * trials
    assert named >= 0.9 * trials


def test_special_numbers_are_passed_on_unchecked(wire):
    scheme = design(4, 2, 2)
    gradient = np.arange(8, dtype=np.float32)
    gradient[3] = np.nan
    decoder = scheme.decoder(8, "float32", wire_dtype=wire, check="projection")
    for worker in range(4):
        decoder.add(worker, scheme.encode(worker, gradient, wire_dtype=wire))
    assert np.isnan(decoder.result()[3]) and decoder.unchecked == (0, 1, 2, 3)


def test_zeros_agree(wire):
    decoder = design(4, 2, 2).decoder(8, "float32", wire_dtype=wire, check="projection")
    for worker in range(4):
        decoder.add(worker, np.zeros(4, DTYPE[wire]))
    assert (decoder.result() == 0).all() and decoder.unchecked == decoder.corrupted == ()


# What is refused

F32 = np.ones(10, np.float32)
F16 = np.ones(5, np.float16)
BF16 = np.full(5, 0x3F80, np.uint16)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: kernels.encode([1, 1], F32, F16.copy(), accumulate=True, wire_dtype="float16"),
            ValueError,
            "accumulate must be False with messages of float16: those of 16 bits are rounded once",
        ),
        (
            lambda: kernels.encode([1, 1], F32, BF16.copy()),
            TypeError,
            "out must be float32 as gradients are, or wire_dtype must say what it holds, got uint16",
        ),
        (
            lambda: kernels.encode([1, 1], F32, F16.copy(), wire_dtype="bfloat16"),
            TypeError,
            "out must be uint16 where wire_dtype is bfloat16, got float16",
        ),
        (
            lambda: kernels.encode([1, 1], F32, F32[:5].copy(), wire_dtype="float16"),
            TypeError,
            "out must be float16 where wire_dtype is float16, got float32",
        ),
        (lambda: kernels.encode([1, 1], np.ones(10), F16.copy()), TypeError, "out must be float64 as gradients are"),
        (
            lambda: kernels.encode([1, 1], F16),
            TypeError,
            "gradients.dtype must be one of float32, float64, got float16",
        ),
        (
            lambda: kernels.decode([[1], [1]], [BF16], 10),
            TypeError,
            "messages[0].dtype must be one of float32, float64, got uint16; messages of bfloat16 need wire_dtype",
        ),
        (
            lambda: kernels.decode([[1], [1]], [F16], 10, wire_dtype="bfloat16"),
            TypeError,
            "messages[0] must be uint16 where wire_dtype is bfloat16, got float16",
        ),
        (
            lambda: kernels.decode([[1], [1]], [F32[:5]], 10, wire_dtype="float16"),
            TypeError,
            "messages[0] must be float16 where wire_dtype is float16, got float32",
        ),
        (lambda: kernels.decode([[1, 1], [1, 1]], [F16, BF16], 10), TypeError, "messages[1] must be float16"),
        (
            lambda: kernels.encode([1, 1], F32, num_threads=0),
            ValueError,
            "num_threads must be an integer of at least 1",
        ),
        (lambda: kernels.encode([1, 1], F32, num_threads=1.5), TypeError, "num_threads must be an integer of at least"),
        (lambda: kernels.decode([[1]], [F32], 10, num_threads=True), TypeError, "num_threads must be an integer of at"),
        (lambda: kernels.set_num_threads(0), ValueError, "count must be an integer of at least 1, got 0"),
        (lambda: kernels.set_num_threads(None), TypeError, "count must be an integer of at least 1, got None"),
        (
            lambda: design(4, 2, 2).decoder(10, "float32", wire_dtype="bfloat16").add(0, F32[:5]),
            TypeError,
            "message must be a NumPy array of uint16 (bfloat16), got float32",
        ),
        (
            lambda: design(4, 2, 2).decoder(10, "float32", wire_dtype="float16").add(0, BF16),
            TypeError,
            "message must be a NumPy array of float16, got uint16",
        ),
        (
            lambda: design(4, 2, 2).decoder(10, "float32").add(0, F16),
            TypeError,
            "message must be a NumPy array of float32, got float16",
        ),
    ],
)
def test_refusals_name_argument_rule_and_value(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert text in str(caught.value)


def test_floating_arrays_say_themselves_what_they_are():
    assert kernels.encode([1, 1], F32, np.empty(5, np.float16)).tolist() == [2] * 5
    assert kernels.decode([[1], [2]], [F16], 10).tolist() == [1] * 5 + [2] * 5


def test_bfloat16_of_ml_dtypes_is_taken():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    out = np.empty(5, ml_dtypes.bfloat16)
    assert kernels.encode([1, 2], F32, out) is out and out.tolist() == [3] * 5
    assert kernels.decode([[1], [2]], [out], 10).tolist() == [3] * 5 + [6] * 5
    decoder = Uncoded(1).decoder(5, "float32", wire_dtype=ml_dtypes.bfloat16)
    assert decoder.add(0, out) and decoder.result().tolist() == [3] * 5


def test_the_representation_tells():
    decoder = Uncoded(1).decoder(5, "float32", wire_dtype="bfloat16")
    assert repr(decoder) == "<Decoder of Uncoded(1), 5 float32 from bfloat16: waiting for some of workers [0]>"


# Threads


def test_threads_change_nothing(rng, wire):
    size = 3_000_001  # enough for a second thread
    gradients = [rng.standard_normal(size).astype(np.float32) for _ in range(2)]
    coefficients, weights = rng.standard_normal((2, 3)), rng.standard_normal((3, 2))
    for wire_dtype in (None, wire):
        one, two = (
            kernels.encode(coefficients, gradients, wire_dtype=wire_dtype, num_threads=threads) for threads in (1, 2)
        )
        np.testing.assert_array_equal(one, two)
        messages = [one, one[::-1].copy()]
        one, two = (
            kernels.decode(weights, messages, size, wire_dtype=wire_dtype, num_threads=threads) for threads in (1, 2)
        )
        np.testing.assert_array_equal(one, two)


def test_the_default_number_of_threads_can_be_set():
    before = kernels.num_threads()
    try:
        kernels.set_num_threads(3)
        assert kernels.num_threads() == 3
    finally:
        kernels.set_num_threads(before)
    assert isinstance(kernels.threads_available(), bool)
