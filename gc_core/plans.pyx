# cython: freethreading_compatible=True
"""Prepared encodes and decodes.

Element types: as in `gc_core.calls`.
"""

from cpython.object cimport PyObject

cimport cython
cimport numpy as cnp

from gc_core.c_api cimport GC_F32, GC_F32_BF16, GC_F32_F16, GC_F64
from gc_core.checks cimport (
    STACK_POINTERS,
    allocate,
    check_apart,
    check_array,
    check_threads,
    check_vector,
    check_writeable,
    data_of,
    explain,
    hold,
    is_as_planned,
    is_half,
    release,
)
from gc_core.kernels cimport plan_decode, plan_encode, plan_free, plan_run

import numpy as np

cnp.import_array()

cdef extern from *:
    """
    #ifdef Py_GIL_DISABLED
    #define GC_HAS_GIL 0
    #else
    #define GC_HAS_GIL 1
    #endif
    """
    bint HAS_GIL "GC_HAS_GIL"
    PyObject *PyList_GET_ITEM(object list, Py_ssize_t i) noexcept
    PyObject *PyTuple_GET_ITEM(object tuple, Py_ssize_t i) noexcept

cdef enum:
    BRIEF_BYTES = 64 << 10  # a call on fewer bytes keeps the GIL: releasing it would cost more than others gain


cdef class Plan:
    """A prepared encode or decode: everything but the buffers has been checked and laid out."""

    def __cinit__(self):
        self.plan = NULL

    def __dealloc__(self):
        plan_free(self.plan)

    def __reduce__(self):
        raise TypeError("a plan cannot be pickled or copied: make another one where it is used")

    cdef object prepare(self, bint encode, table, gradient_size, message_size, dtype, message_dtype, num_threads):
        cdef str name = "coefficients" if encode else "weights"
        cdef int type, kind, message_kind, threads = check_threads(num_threads)
        cdef Py_ssize_t length, stride, parts, count
        # Convert first: a conversion may run foreign code, which must not see a half-made plan.
        dtype, message_dtype = np.dtype(dtype), message_type(dtype if message_dtype is None else message_dtype)
        try:
            length, stride = gradient_size, message_size
        except OverflowError:
            raise ValueError(
                f"gradient_size and message_size must be below 2**63, got {gradient_size} and {message_size}"
            ) from None
        type = plan_type(dtype, message_dtype)
        check_array(name, -1, table, 2)
        kind, message_kind = dtype.num, message_dtype.num
        if cnp.PyArray_TYPE(table) != kind:
            raise TypeError(f"{name} must be {dtype} as dtype is, got {table.dtype}")
        parts, count = cnp.PyArray_DIMS(table)[encode], cnp.PyArray_DIMS(table)[not encode]
        if parts == 0 or count == 0:
            raise ValueError(f"{name} must not be empty, got shape {table.shape}")
        if length < 1 or stride < length // parts + (length % parts != 0):
            raise ValueError(
                f"message_size must be at least gradient_size / {parts}, and that at least 1, got {stride} and {length}"
            )
        with cython.critical_section(self):
            if self.plan != NULL:
                raise RuntimeError("a plan is made once")
            self.inputs = "gradients" if encode else "messages"
            self.dtype, self.message_dtype, self.num_threads = dtype, message_dtype, num_threads
            self.n_inputs, self.parts, self.gradient_size, self.message_size = count, parts, length, stride
            self.in_size, self.out_size = (length, stride) if encode else (stride, length)
            self.in_kind, self.out_kind = (kind, message_kind) if encode else (message_kind, kind)
            self.in_bytes = self.in_size * cnp.PyArray_DescrFromType(self.in_kind).itemsize
            self.out_bytes = self.out_size * cnp.PyArray_DescrFromType(self.out_kind).itemsize
            self.threads = threads
            self.brief = count * self.in_bytes + self.out_bytes < BRIEF_BYTES
            (plan_encode if encode else plan_decode)(
                &self.plan, type, cnp.PyArray_DATA(table), count, parts, stride, length)

    cdef object run(self, arrays, out, bint accumulate):
        cdef const void *stack[STACK_POINTERS]
        cdef const void **buffers = stack
        cdef tuple held
        cdef Py_ssize_t i, count
        cdef PyObject *item
        if self.plan == NULL:
            raise ValueError("this plan has not been made: its __init__ has not run")
        cdef bint single = self.n_inputs == 1 and cnp.PyArray_Check(arrays)
        # While the GIL is kept, no other thread takes an array out of a list.
        if not (single or HAS_GIL and self.brief and type(arrays) is list):
            held = hold(self.inputs, arrays)
            arrays = held
        check_vector("out", -1, out, self.out_kind, self.out_size)
        check_writeable(out)
        cdef void *result = cnp.PyArray_DATA(out)
        if single:
            check_vector(self.inputs, -1, arrays, self.in_kind, self.in_size)
            check_apart(self.inputs, -1, cnp.PyArray_DATA(arrays), self.in_bytes, result, self.out_bytes)
            buffers[0] = cnp.PyArray_DATA(arrays)
        else:
            count = len(arrays)
            if count != self.n_inputs:
                raise ValueError(f"{self.inputs} must hold {self.n_inputs} arrays, got {count}")
            buffers = allocate(stack, count)
        try:
            if not single:
                for i in range(count):
                    # Borrowed: taking a reference to each array would cost as much as its check.
                    item = PyList_GET_ITEM(arrays, i) if type(arrays) is list else PyTuple_GET_ITEM(arrays, i)
                    if not is_as_planned(item, self.in_kind, self.in_size):
                        array = <object>item  # a reference, while its attributes are read
                        explain(self.inputs, i, array, self.in_kind, self.in_size)
                    buffers[i] = data_of(item)
                    check_apart(self.inputs, i, buffers[i], self.in_bytes, result, self.out_bytes)
            if self.brief:
                plan_run(self.plan, buffers, result, accumulate, 1)
            else:
                with nogil:
                    plan_run(self.plan, buffers, result, accumulate, self.threads)
        finally:
            release(stack, buffers)
        return out


cdef class EncodePlan(Plan):
    """A prepared `gc_core.encode` for the messages of one worker.

    Parameters
    ----------
    coefficients : ndarray, shape (k, m)
        C-contiguous, of type `dtype`. The plan keeps a copy.
    gradient_size, message_size : int
        l and L; m * L must be at least l.
    dtype : dtype
        Of the gradients: float32 or float64.
    message_dtype : dtype, optional
        Of the messages; by default `dtype`. With float32, also float16, or uint16 or "bfloat16" for bfloat16.
    num_threads : int, optional
        Use at most this many threads; by default the number set for the process at the time of a call.
    """

    def __init__(self, coefficients, gradient_size, message_size, dtype, message_dtype=None, num_threads=None):
        self.prepare(True, coefficients, gradient_size, message_size, dtype, message_dtype, num_threads)

    def encode(self, gradients, out, bint accumulate=False):
        """Write (or add) the message of `gradients` to `out`; return `out`. A single gradient needs no list."""
        if accumulate and self.in_kind != self.out_kind:
            raise ValueError(
                f"accumulate must be False where messages are {self.message_dtype}: those of 16 bits are rounded once"
            )
        return self.run(gradients, out, accumulate)


cdef class DecodePlan(Plan):
    """A prepared `gc_core.decode` for the messages of one set of survivors.

    Parameters
    ----------
    weights : ndarray, shape (m, S)
        C-contiguous, of type `dtype`. The plan keeps a copy.
    gradient_size, message_size : int
        l and L; m * L must be at least l.
    dtype : dtype
        Of the gradient: float32 or float64.
    message_dtype : dtype, optional
        Of the messages; by default `dtype`. With float32, also float16, or uint16 or "bfloat16" for bfloat16.
    num_threads : int, optional
        Use at most this many threads; by default the number set for the process at the time of a call.
    """

    def __init__(self, weights, gradient_size, message_size, dtype, message_dtype=None, num_threads=None):
        self.prepare(False, weights, gradient_size, message_size, dtype, message_dtype, num_threads)

    def decode(self, messages, out, bint accumulate=False):
        """Write (or add) the gradient to `out`; return `out`. A single message needs no list."""
        return self.run(messages, out, accumulate)


cdef int plan_type(dtype, message_dtype) except -1:
    """Return the element types of a plan as a `gc_type`."""
    cdef int kind = dtype.num, message_kind = message_dtype.num
    if dtype.isnative and message_dtype.isnative:
        if kind == cnp.NPY_FLOAT64 and message_kind == kind:
            return GC_F64
        if kind == cnp.NPY_FLOAT32 and message_kind == kind:
            return GC_F32
        if kind == cnp.NPY_FLOAT32 and is_half(message_kind):
            return GC_F32_F16 if message_kind == cnp.NPY_FLOAT16 else GC_F32_BF16
    raise TypeError(
        "dtype and message_dtype must be float32 or float64 and the same, or float32 and one of float16, "
        f"uint16 (bfloat16), got {dtype} and {message_dtype}"
    )


cdef object message_type(dtype):
    """Return the element type of messages; NumPy does not know the name of bfloat16."""
    return np.dtype(np.uint16) if isinstance(dtype, str) and dtype == "bfloat16" else np.dtype(dtype)
