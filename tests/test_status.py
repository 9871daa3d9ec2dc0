"""Every status of the C interface reaches Python with its text; the C entries check their own arguments."""

import ctypes
import pickle
import re

import numpy as np
import pytest

import gc_core
import gc_core.kernels
from gc_core.status import STATUSES, KernelError, check, message

OK, NULL, PARTS, SIZE, OVERFLOW, FLAGS, LEVEL, TYPE, MEMORY, THREADS = range(10)
HUGE = ctypes.c_size_t(-1).value


def test_each_status_has_its_own_text():
    texts = [message(status) for status in STATUSES]
    assert len(STATUSES) == THREADS + 1
    assert len(set(texts)) == len(texts)
    assert "unknown status" not in texts


@pytest.mark.parametrize("status", [-1, len(STATUSES), 2**31 - 1])
def test_a_status_that_is_none_still_has_a_text(status):
    assert message(status) == "unknown status"


def test_check_passes_ok():
    assert check(OK) == 0


@pytest.mark.parametrize("status", [*STATUSES[1:], -1, 1000])
def test_check_raises_with_text_and_status(status):
    with pytest.raises(KernelError, match=f"^{re.escape(message(status))}$") as caught:
        check(status)
    assert caught.value.status == status
    assert isinstance(caught.value, RuntimeError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == message(status)


@pytest.fixture(scope="module")
def library():
    return ctypes.CDLL(gc_core.kernels.__file__)


@pytest.fixture(params=[f"gc_{op}_{kind}" for op in ("encode", "decode") for kind in ("f32", "f64", "f16", "bf16")])
def entry(request, library):
    """One C entry on valid arguments, any of which can be replaced."""
    function = getattr(library, request.param)
    _, op, kind = request.param.split("_")
    real = np.dtype(np.float64 if kind == "f64" else np.float32)
    half = np.dtype(np.uint16) if kind in ("f16", "bf16") else real

    def call(**changes):
        table = np.ones(4, real)
        buffer, out = (np.ones(10, dtype) for dtype in ((real, half) if op == "encode" else (half, real)))
        pointers = (ctypes.c_void_p * 2)(buffer.ctypes.data, buffer.ctypes.data)
        arguments = {
            "table": table.ctypes.data,
            "n": 2,
            "parts": 2,
            "stride": 5,
            "buffers": ctypes.addressof(pointers),
            "length": 9,
            "out": out.ctypes.data,
            "flags": 0,
            "threads": 0,
        }
        if changes.pop("null_buffer", False):
            pointers[1] = None
        arguments.update(changes)
        types = [ctypes.c_void_p, *[ctypes.c_size_t] * 3, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
        types += [ctypes.c_uint, ctypes.c_int]
        status = function(*(kind(value) for kind, value in zip(types, arguments.values(), strict=True)))
        if status != OK:
            assert (out == 1).all(), "a refused call wrote to its output"
        return status

    call.rounds = op == "encode" and half != real
    return call


def test_c_entry_accumulates_unless_it_rounds_to_16_bits(entry):
    assert entry(flags=1) == (FLAGS if entry.rounds else OK)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, OK),
        ({"threads": 1000}, OK),
        ({"threads": -1}, THREADS),
        ({"table": None}, NULL),
        ({"buffers": None}, NULL),
        ({"null_buffer": True}, NULL),
        ({"out": None}, NULL),
        ({"n": 0, "table": None, "buffers": None}, OK),
        ({"stride": 0, "length": 0, "null_buffer": True, "out": None}, OK),
        ({"parts": 0}, PARTS),
        ({"stride": 4}, SIZE),
        ({"length": 11}, SIZE),
        ({"stride": HUGE // 2 + 1}, OVERFLOW),
        ({"stride": HUGE // 4}, OVERFLOW),
        ({"parts": HUGE // 8}, OVERFLOW),
        ({"n": HUGE // 4}, OVERFLOW),
        ({"flags": 2}, FLAGS),
        ({"flags": 2**31 + 1}, FLAGS),
    ],
)
def test_c_entry_checks_its_arguments(entry, changes, status):
    assert entry(**changes) == status


def test_c_plans_check_their_arguments(library):
    plan, table, pointers = ctypes.c_void_p(1), (ctypes.c_double * 4)(1, 1, 1, 1), (ctypes.c_void_p * 2)()
    sizes = [ctypes.c_size_t(n) for n in (2, 2, 5, 9)]
    for make in (library.gc_plan_encode, library.gc_plan_decode):
        assert make(None, 0, table, *sizes) == NULL
        for type_ in (-1, 4):
            assert make(ctypes.byref(plan), type_, table, *sizes) == TYPE
            assert plan.value is None
        assert make(ctypes.byref(plan), 1, None, *sizes) == NULL
        assert make(ctypes.byref(plan), 1, table, ctypes.c_size_t(2**43), *sizes[1:3], ctypes.c_size_t(0)) == MEMORY
        assert make(ctypes.byref(plan), 1, table, *sizes) == OK
        assert library.gc_plan_run(plan, pointers, table, 0, 1) == NULL
        assert library.gc_plan_run(plan, None, table, 0, 1) == NULL
        assert library.gc_plan_run(None, pointers, table, 0, 1) == NULL
        library.gc_plan_free(plan)
    library.gc_plan_free(None)


@pytest.mark.parametrize("level", [-1, 1000])
def test_c_levels_that_do_not_exist(library, level):
    library.gc_level_name.restype = ctypes.c_char_p
    assert library.gc_level_name(level) is None
    assert library.gc_level_available(level) == 0
    current = library.gc_level_current()
    assert library.gc_level_force(level) == LEVEL
    assert library.gc_level_current() == current


def test_the_c_library_and_the_module_share_one_level(library):
    library.gc_level_name.restype = ctypes.c_char_p
    assert library.gc_level_name(library.gc_level_current()).decode() == gc_core.cpu.level()


def test_header_is_shipped():
    from pathlib import Path

    assert "gc_encode_f32" in (Path(gc_core.get_include()) / "gradcode.h").read_text()
