"""Prepared operations: the same results as single calls, checked once, and every wrong buffer refused."""

import copy
import pickle

import numpy as np
import pytest
from levels import kernel_level  # noqa: F401  (a fixture, and it is used by every test here)

import gc_core

TYPES = [("float32", None), ("float64", None), ("float32", "float16"), ("float32", "uint16")]


@pytest.fixture(params=TYPES, ids=lambda t: "-".join(filter(None, t)))
def types(request):
    dtype, message = request.param
    return np.dtype(dtype), np.dtype(message or dtype)


def vectors(rng, count, size, dtype):
    if dtype.kind == "u":  # bfloat16: the upper halves of float32 numbers
        return [(rng.standard_normal(size).astype("f4").view("u4") >> 16).astype("u2") for _ in range(count)]
    return [rng.standard_normal(size).astype(dtype) for _ in range(count)]


@pytest.mark.parametrize("count", [1, 3, 70])
@pytest.mark.parametrize("length", [1, 37, 5000, 40_000])
def test_a_plan_gives_what_a_call_gives(rng, types, count, length):
    dtype, message_dtype = types
    parts, stride = 3, -(-length // 3)
    table = np.where(rng.random((count, parts)) < 0.2, 0, rng.standard_normal((count, parts))).astype(dtype)
    gradients = vectors(rng, count, length, dtype)
    plan = gc_core.EncodePlan(table, length, stride, dtype, message_dtype)
    message = np.empty(stride, message_dtype)
    expected = gc_core.encode(table, gradients, np.empty(stride, message_dtype))
    for given in (gradients, tuple(gradients)):
        message[:] = 0
        assert plan.encode(given, message) is message
        np.testing.assert_array_equal(message, expected)

    messages = vectors(rng, count, stride, message_dtype)
    weights = table.T.copy()
    plan = gc_core.DecodePlan(weights, length, stride, dtype, message_dtype)
    weights[:] = np.nan  # a plan has its own copy
    out = np.empty(length, dtype)
    for accumulate in (False, True):
        out[:] = 1
        assert plan.decode(messages, out, accumulate=accumulate) is out
        expected = gc_core.decode(table.T.copy(), messages, np.ones(length, dtype), accumulate)
        np.testing.assert_array_equal(out, expected)


def test_a_single_buffer_needs_no_list():
    plan = gc_core.EncodePlan(np.ones((1, 2)), 4, 2, "float64")
    assert plan.encode(np.arange(4.0), np.empty(2)).tolist() == [2, 4]
    assert plan.encode(np.arange(4.0), np.ones(2), accumulate=True).tolist() == [3, 5]
    plan = gc_core.DecodePlan(np.ones((2, 1)), 4, 2, "float64")
    assert plan.decode(np.arange(2.0), np.empty(4)).tolist() == [0, 1, 0, 1]


def test_a_plan_says_what_it_is_for():
    plan = gc_core.EncodePlan(np.ones((3, 2), "f4"), 7, 4, "float32", "float16", num_threads=2)
    assert (plan.n_inputs, plan.parts, plan.gradient_size, plan.message_size) == (3, 2, 7, 4)
    assert (plan.dtype, plan.message_dtype, plan.num_threads) == (np.float32, np.float16, 2)


def test_a_level_forced_later_is_used(kernel_level):  # noqa: F811
    plan = gc_core.EncodePlan(np.ones((1, 1)), 3, 3, "float64")
    for level in gc_core.cpu.available_levels():
        gc_core.cpu.force_level(level)
        assert plan.encode(np.arange(3.0), np.empty(3)).tolist() == [0, 1, 2]
    gc_core.cpu.force_level(kernel_level)


GOOD = {"table": np.ones((2, 2)), "gradient_size": 10, "message_size": 5, "dtype": "float64", "message_dtype": None}


@pytest.mark.parametrize("kind", [gc_core.EncodePlan, gc_core.DecodePlan])
@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"table": [[1.0, 1.0]] * 2}, TypeError, "{table} must be a numpy.ndarray, got list"),
        ({"table": np.ones((2, 2), "f4")}, TypeError, "{table} must be float64 as dtype is, got float32"),
        ({"table": np.ones((0, 0))}, ValueError, r"{table} must not be empty, got shape \(0, 0\)"),
        ({"table": np.ones((2, 2), order="F").T[:, ::-1]}, ValueError, "{table} must be C-contiguous"),
        ({"dtype": "int64", "table": np.ones((2, 2), int)}, TypeError, "dtype and message_dtype must be .* got int64"),
        ({"message_dtype": "float16"}, TypeError, "dtype and message_dtype must be .*got float64 and float16"),
        ({"dtype": "float32", "message_dtype": "int16"}, TypeError, "dtype and .*got float32 and int16"),
        ({"message_size": 4}, ValueError, "message_size must be at least gradient_size / 2.* got 4 and 10"),
        ({"gradient_size": 0}, ValueError, "message_size must be at least .* got 5 and 0"),
        ({"num_threads": 0}, ValueError, "num_threads must be an integer of at least 1, got 0"),
        ({"num_threads": 1.5}, TypeError, "num_threads must be an integer of at least 1, got 1.5"),
    ],
)
def test_plans_refuse(kind, change, error, text):
    name = "coefficients" if kind is gc_core.EncodePlan else "weights"
    with pytest.raises(error, match="^" + text.format(table=name)):
        kind(*(GOOD | change).values())


def test_a_plan_is_made_once():
    plan = gc_core.EncodePlan(np.ones((1, 1)), 3, 3, "float64")
    with pytest.raises(RuntimeError, match="made once"):
        plan.__init__(np.ones((1, 1)), 4, 4, "float64")
    with pytest.raises(TypeError, match="at least 4 positional arguments"):
        gc_core.EncodePlan()


@pytest.mark.parametrize("size", [10, 100_000])  # with and without the GIL
def test_wrong_buffers_are_refused_before_any_work(size):
    plan = gc_core.DecodePlan(np.ones((2, 2)), 2 * size, size, "float64")
    out = np.full(2 * size, 7.0)
    messages = [np.ones(size), np.ones(size)]
    read_only = out.copy()
    read_only.flags.writeable = False
    memory = np.ones(3 * size)
    for given, to, error, text in [
        (messages[:1], out, ValueError, "messages must hold 2 arrays, got 1"),
        (messages[0], out, TypeError, "messages must be a list or tuple of numpy.ndarray, got ndarray"),
        ([messages[0], None], out, TypeError, r"messages\[1\] must be a numpy.ndarray, got NoneType"),
        ([messages[0], np.ones(size, "f4")], out, TypeError, r"messages\[1\] must be float64 as planned, got float32"),
        ([messages[0], np.ones(size + 1)], out, ValueError, rf"messages\[1\] must have {size} elements as planned"),
        ([messages[0], np.ones(2 * size)[::2]], out, ValueError, r"messages\[1\] must be C-contiguous"),
        ([messages[0], np.ma.ones(size)], out, TypeError, r"messages\[1\] must be a plain numpy.ndarray"),
        (messages, np.ones(size), ValueError, f"out must have {2 * size} elements as planned, got {size}"),
        (messages, np.ones((2, size)), ValueError, "out must have 1 dimension, got 2"),
        (messages, read_only, ValueError, "out must be writeable"),
        ([messages[0], memory[: size + 0]], memory[size - 1 : -1], ValueError, r"out must not overlap messages\[1\]"),
    ]:
        before = to.copy()
        for wrapped in (given, tuple(given) if isinstance(given, list) else given):
            with pytest.raises(error, match=f"^{text}"):
                plan.decode(wrapped, to)
        np.testing.assert_array_equal(to, before)
    with pytest.raises(ValueError, match=r"^accumulate must be False where messages are float16"):
        gc_core.EncodePlan(np.ones((1, 1), "f4"), 3, 3, "f4", "f2").encode(np.ones(3, "f4"), np.ones(3, "f2"), True)


class Meddler(np.ndarray):
    """An array that empties a list when it is asked what it is, as isinstance does."""

    victim: list

    @property
    def __class__(self):
        self.victim.clear()
        return np.ndarray


def test_no_code_of_others_runs_while_buffers_are_held():
    meddler = np.ones(3).view(Meddler)
    Meddler.victim = [meddler, np.ones(3)]
    plan = gc_core.EncodePlan(np.ones((2, 1)), 3, 3, "float64")
    assert plan.encode(Meddler.victim, np.empty(3)).tolist() == [2, 2, 2]
    assert len(Meddler.victim) == 2
    assert gc_core.encode(np.ones((2, 1)), Meddler.victim, np.empty(3)).tolist() == [2, 2, 2]
    assert len(Meddler.victim) == 2


@pytest.mark.parametrize("kind", [gc_core.EncodePlan, gc_core.DecodePlan])
def test_a_plan_that_has_not_been_made_refuses(kind):
    plan = kind.__new__(kind)
    with pytest.raises(ValueError, match=r"^this plan has not been made"):
        getattr(plan, "encode" if kind is gc_core.EncodePlan else "decode")([], np.empty(3))


def test_making_a_plan_while_it_is_being_made():
    plan = gc_core.EncodePlan.__new__(gc_core.EncodePlan)

    class Size:
        def __index__(self):
            plan.__init__(np.ones((50, 50)), 50, 1, "float64")
            return 1

    with pytest.raises(RuntimeError, match=r"^a plan is made once$"):
        plan.__init__(np.ones((1, 1)), Size(), 1, "float64")
    assert plan.encode([np.ones(50)] * 50, np.empty(1)).tolist() == [2500]


@pytest.mark.parametrize("copy", [pickle.dumps, copy.copy, copy.deepcopy])
def test_plans_are_not_copied(copy):
    with pytest.raises(TypeError, match=r"^a plan cannot be pickled or copied"):
        copy(gc_core.EncodePlan(np.ones((1, 1)), 3, 3, "float64"))


def test_bfloat16_has_a_name_and_types_are_native():
    plan = gc_core.EncodePlan(np.ones((1, 1), "f4"), 3, 3, "float32", "bfloat16")
    assert plan.message_dtype == np.uint16
    for types in [(">f8", None), ("float32", ">f2")]:
        with pytest.raises(TypeError, match=r"^dtype and message_dtype must be"):
            gc_core.EncodePlan(np.ones((1, 1)), 3, 3, *types)
    with pytest.raises(
        ValueError, match=r"^gradient_size and message_size must be below 2\*\*63, got 9223372036854775808"
    ):
        gc_core.EncodePlan(np.ones((1, 1)), 2**63, 3, "float64")


def test_subclasses_of_arrays_are_taken(tmp_path):
    mapped = np.memmap(tmp_path / "message", np.float64, "w+", shape=3)
    mapped[:] = [1, 2, 3]
    plan = gc_core.DecodePlan(np.full((1, 1), 2.0), 3, 3, "float64")
    assert plan.decode([mapped], np.empty(3)).tolist() == [2, 4, 6]
