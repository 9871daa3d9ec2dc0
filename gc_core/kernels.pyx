"""Encode and decode on NumPy buffers, once or prepared; the level and the threads of the kernels.

Arguments are read through the NumPy C API: a check of type and flags costs a few nanoseconds per array, a typed
memoryview over a hundred.  Nothing is copied or cast: an array that the kernels cannot take as it is is refused.

Element types: float32 or float64 throughout, or float32 with messages of float16 or bfloat16.  NumPy has no bfloat16:
such messages are arrays of uint16.
"""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_New
from libc.stddef cimport size_t
from libc.stdint cimport uint16_t, uintptr_t

cimport numpy as cnp

from gc_core.c_api cimport (
    GC_ACCUMULATE,
    GC_F32,
    GC_F32_BF16,
    GC_F32_F16,
    GC_F64,
    GC_N_LEVELS,
    gc_decode_bf16,
    gc_decode_f16,
    gc_decode_f32,
    gc_decode_f64,
    gc_encode_bf16,
    gc_encode_f16,
    gc_encode_f32,
    gc_encode_f64,
    gc_level_available,
    gc_level_current,
    gc_level_force,
    gc_level_name,
    gc_plan,
    gc_plan_decode,
    gc_plan_encode,
    gc_plan_free,
    gc_plan_run,
    gc_threads_available,
    gc_threads_default,
    gc_threads_for,
    gc_threads_set_default,
)
from gc_core.status cimport check, text

import numpy as np
from numpy.ma import MaskedArray

cnp.import_array()

cdef extern from *:
    """
    /* Whether an object is exactly a vector of this type and size that the kernels can read as it is. */
    static inline int gc_is_as_planned(PyObject *object, int kind, Py_ssize_t size)
    {
        if (!PyArray_CheckExact(object))
            return 0;
        PyArrayObject *const array = (PyArrayObject *)object;
        return PyArray_NDIM(array) == 1 && PyArray_TYPE(array) == kind && PyArray_DIMS(array)[0] == size &&
               PyArray_ISCARRAY_RO(array);
    }

    static inline void *gc_data_of(PyObject *array) { return PyArray_DATA((PyArrayObject *)array); }
    """
    PyObject *PyList_GET_ITEM(object list, Py_ssize_t i) noexcept
    PyObject *PyTuple_GET_ITEM(object tuple, Py_ssize_t i) noexcept
    bint is_as_planned "gc_is_as_planned"(PyObject *object, int kind, Py_ssize_t size) noexcept
    void *data_of "gc_data_of"(PyObject *array) noexcept

cdef enum:
    STACK_POINTERS = 64     # the pointers of up to so many buffers need no allocation
    MANY_THREADS = 1 << 16  # nobody has more
    BRIEF_BYTES = 64 << 10  # below this, others wait less for the GIL than giving it away costs


def encode(coefficients, gradients, out, bint accumulate=False, num_threads=None):
    """Write (or add) one worker's message: out[t] = sum of coefficients[j, u] * gradients[j][u*L + t].

    Parameters
    ----------
    coefficients : ndarray, shape (k, m)
        Row j holds the coefficients of the m blocks of gradient j; a zero skips the block, unread.
    gradients : list or tuple of ndarray, shape (l,)
        The k gradients, in separate buffers.
    out : ndarray, shape (L,)
        The message; m * L must be at least l. Of the type of the gradients; or float16, or uint16 for bfloat16, where
        these are float32.
    accumulate : bool, default False
        Complete the sum, then add it to `out`, instead of overwriting `out`; not in 16 bits.
    num_threads : int, optional
        At most so many threads; by default the number set for the process.

    Returns
    -------
    ndarray
        `out`.

    Notes
    -----
    All arrays are contiguous, of float32 or float64. The GIL is released around the kernel.
    """
    cdef tuple held = hold("gradients", gradients)
    cdef Py_ssize_t count = len(held)
    cdef int out_kind = check_output(out, True), kind = real_kind(out_kind), threads = check_threads(num_threads)
    check_table("coefficients", coefficients, kind, out)
    cdef cnp.npy_intp *shape = cnp.PyArray_DIMS(coefficients)
    cdef cnp.npy_intp parts = shape[1]
    if shape[0] != count:
        raise ValueError(f"coefficients must have one row for each of the {count} gradients, got {shape[0]} rows")
    if parts == 0:
        raise ValueError("coefficients must have at least one column, got 0")
    if accumulate and out_kind != kind:
        raise ValueError(f"accumulate must be False where out is {out.dtype}: a message of 16 bits is rounded once")

    cdef const void *table = cnp.PyArray_DATA(coefficients)
    cdef void *message = cnp.PyArray_DATA(out)
    cdef cnp.npy_intp stride = cnp.PyArray_SIZE(out), length
    cdef const void *stack[STACK_POINTERS]
    cdef const void **buffers = allocate(stack, count)
    try:
        length = collect("gradients", held, kind, out, buffers)
        if stride < length // parts + (length % parts != 0):
            raise ValueError(
                f"out must have at least {length // parts + (length % parts != 0)} elements for "
                f"gradients of {length} elements in {parts} blocks, got {stride}"
            )
        with nogil:
            if out_kind == cnp.NPY_FLOAT32:
                encode_f32(<const float *>table, count, parts, stride, <const float *const *>buffers, length,
                           <float *>message, accumulate, threads)
            elif out_kind == cnp.NPY_FLOAT64:
                encode_f64(<const double *>table, count, parts, stride, <const double *const *>buffers, length,
                           <double *>message, accumulate, threads)
            elif out_kind == cnp.NPY_FLOAT16:
                encode_f16(<const float *>table, count, parts, stride, <const float *const *>buffers, length,
                           <uint16_t *>message, threads)
            else:
                encode_bf16(<const float *>table, count, parts, stride, <const float *const *>buffers, length,
                            <uint16_t *>message, threads)
    finally:
        release(stack, buffers)
    return out


def decode(weights, messages, out, bint accumulate=False, num_threads=None):
    """Write (or add) the gradient of one group: out[u*L + t] = sum of weights[u, i] * messages[i][t].

    Parameters
    ----------
    weights : ndarray, shape (m, S)
        Row u holds the weights of the S messages in block u; a zero skips the message for that row.
    messages : list or tuple of ndarray, shape (L,)
        The S messages, in separate buffers: of the type of `out`; or float16, or uint16 for bfloat16, where that is
        float32.
    out : ndarray, shape (l,)
        The gradient; m * L must be at least l.
    accumulate : bool, default False
        Complete the sum, then add it to `out`, instead of overwriting `out`.
    num_threads : int, optional
        At most so many threads; by default the number set for the process.

    Returns
    -------
    ndarray
        `out`.

    Notes
    -----
    All arrays are contiguous, of float32 or float64. The GIL is released around the kernel.
    """
    cdef tuple held = hold("messages", messages)
    cdef Py_ssize_t count = len(held)
    cdef int kind = check_output(out, False), in_kind = kind, threads = check_threads(num_threads)
    check_table("weights", weights, kind, out)
    cdef cnp.npy_intp *shape = cnp.PyArray_DIMS(weights)
    cdef cnp.npy_intp parts = shape[0]
    if shape[1] != count:
        raise ValueError(f"weights must have one column for each of the {count} messages, got {shape[1]} columns")
    if parts == 0:
        raise ValueError("weights must have at least one row, got 0")
    if count > 0 and kind == cnp.NPY_FLOAT32 and cnp.PyArray_Check(held[0]) and is_half(cnp.PyArray_TYPE(held[0])):
        in_kind = cnp.PyArray_TYPE(held[0])

    cdef const void *table = cnp.PyArray_DATA(weights)
    cdef void *gradient = cnp.PyArray_DATA(out)
    cdef cnp.npy_intp length = cnp.PyArray_SIZE(out), stride
    cdef const void *stack[STACK_POINTERS]
    cdef const void **buffers = allocate(stack, count)
    try:
        stride = collect("messages", held, in_kind, out, buffers)
        if count == 0:
            stride = length  # no message tells it, and zeros are the same with any
        if stride < length // parts + (length % parts != 0):
            raise ValueError(
                f"messages[0] must have at least {length // parts + (length % parts != 0)} elements for "
                f"out of {length} elements in {parts} blocks, got {stride}"
            )
        with nogil:
            if in_kind == cnp.NPY_FLOAT32:
                decode_f32(<const float *>table, count, parts, stride, <const float *const *>buffers, length,
                           <float *>gradient, accumulate, threads)
            elif in_kind == cnp.NPY_FLOAT64:
                decode_f64(<const double *>table, count, parts, stride, <const double *const *>buffers, length,
                           <double *>gradient, accumulate, threads)
            elif in_kind == cnp.NPY_FLOAT16:
                decode_f16(<const float *>table, count, parts, stride, <const uint16_t *const *>buffers, length,
                           <float *>gradient, accumulate, threads)
            else:
                decode_bf16(<const float *>table, count, parts, stride, <const uint16_t *const *>buffers, length,
                            <float *>gradient, accumulate, threads)
    finally:
        release(stack, buffers)
    return out


cdef class Plan:
    """An encode or decode that has been prepared: everything about it but the buffers is checked and laid out."""

    def __cinit__(self):
        self.plan = NULL

    def __dealloc__(self):
        gc_plan_free(self.plan)

    def __reduce__(self):
        raise TypeError("a plan cannot be pickled or copied: make another one where it is used")

    cdef object prepare(self, bint encode, table, gradient_size, message_size, dtype, message_dtype, num_threads):
        cdef str name = "coefficients" if encode else "weights"
        cdef int kind, message_kind, type = -1, threads = check_threads(num_threads)
        cdef Py_ssize_t length, stride
        # Conversions come first: they may run code of others, which must not find a plan half made.
        dtype, message_dtype = np.dtype(dtype), message_type(dtype if message_dtype is None else message_dtype)
        try:
            length, stride = gradient_size, message_size
        except OverflowError:
            raise ValueError(
                f"gradient_size and message_size must be below 2**63, got {gradient_size} and {message_size}"
            ) from None
        if self.plan != NULL:
            raise RuntimeError("a plan is made once")
        self.inputs = "gradients" if encode else "messages"
        self.dtype, self.message_dtype = dtype, message_dtype
        kind, message_kind = dtype.num, message_dtype.num
        if not (dtype.isnative and message_dtype.isnative):
            pass
        elif kind == cnp.NPY_FLOAT64 and message_kind == kind:
            type = GC_F64
        elif kind == cnp.NPY_FLOAT32 and message_kind == kind:
            type = GC_F32
        elif kind == cnp.NPY_FLOAT32 and is_half(message_kind):
            type = GC_F32_F16 if message_kind == cnp.NPY_FLOAT16 else GC_F32_BF16
        if type < 0:
            raise TypeError(
                "dtype and message_dtype must be float32 or float64 and the same, or float32 and one of float16, "
                f"uint16 (bfloat16), got {self.dtype} and {self.message_dtype}"
            )
        check_array(name, -1, table, 2)
        if cnp.PyArray_TYPE(table) != kind:
            raise TypeError(f"{name} must be {self.dtype} as dtype is, got {table.dtype}")
        self.parts = cnp.PyArray_DIMS(table)[encode]
        self.n_inputs = cnp.PyArray_DIMS(table)[not encode]
        if self.parts == 0 or self.n_inputs == 0:
            raise ValueError(f"{name} must not be empty, got shape {table.shape}")
        if length < 1 or stride < length // self.parts + (length % self.parts != 0):
            raise ValueError(
                f"message_size must be at least gradient_size / {self.parts}, and that at least 1, got {stride} and {length}"
            )
        self.gradient_size, self.message_size = length, stride
        self.in_size, self.out_size = self.message_size, self.gradient_size
        self.in_kind, self.out_kind = message_kind, kind
        if encode:
            self.in_size, self.out_size = self.out_size, self.in_size
            self.in_kind, self.out_kind = self.out_kind, self.in_kind
        self.in_bytes = self.in_size * cnp.PyArray_DescrFromType(self.in_kind).itemsize
        self.out_bytes = self.out_size * cnp.PyArray_DescrFromType(self.out_kind).itemsize
        self.num_threads = num_threads
        self.threads = threads
        self.brief = self.n_inputs * self.in_bytes + self.out_bytes < BRIEF_BYTES
        check((gc_plan_encode if encode else gc_plan_decode)(
            &self.plan, type, cnp.PyArray_DATA(table), self.n_inputs, self.parts, self.message_size,
            self.gradient_size))

    def nothing(self, arrays, out, bint accumulate=False):
        """Return `out` and do nothing: what a call costs before it does anything, for measuring."""
        return out

    cdef object run(self, arrays, out, bint accumulate):
        cdef const void *stack[STACK_POINTERS]
        cdef const void **buffers = stack
        cdef tuple held
        cdef Py_ssize_t i, count
        cdef PyObject *item
        cdef int status
        if self.plan == NULL:
            raise ValueError("this plan has not been made: its __init__ has not run")
        cdef bint single = self.n_inputs == 1 and cnp.PyArray_Check(arrays)
        # While the GIL is kept, nobody takes an array out of a list.
        if not (single or self.brief and type(arrays) is list):
            held = hold(self.inputs, arrays)
            arrays = held
        check_vector("out", -1, out, self.out_kind, self.out_size)
        if not cnp.PyArray_ISWRITEABLE(out):
            raise ValueError("out must be writeable, got a read-only array")
        cdef void *result = cnp.PyArray_DATA(out)
        cdef unsigned flags = GC_ACCUMULATE if accumulate else 0
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
                for i in range(count):
                    # A reference of our own for each would take as long as the check.
                    item = PyList_GET_ITEM(arrays, i) if type(arrays) is list else PyTuple_GET_ITEM(arrays, i)
                    if not is_as_planned(item, self.in_kind, self.in_size):
                        array = <object>item  # a reference, while its attributes are looked at
                        explain(self.inputs, i, array, self.in_kind, self.in_size)
                    buffers[i] = data_of(item)
                    check_apart(self.inputs, i, buffers[i], self.in_bytes, result, self.out_bytes)
            except BaseException:
                release(stack, buffers)
                raise
        if self.brief:
            status = gc_plan_run(self.plan, buffers, result, flags, 1)
        else:
            with nogil:
                status = gc_plan_run(self.plan, buffers, result, flags, self.threads)
        release(stack, buffers)
        check(status)
        return out


cdef class EncodePlan(Plan):
    """Messages of one worker: ``encode(gradients, out)`` is `gc_core.encode` with everything else settled.

    Parameters
    ----------
    coefficients : ndarray, shape (k, m)
        Copied; of `dtype`, contiguous.
    gradient_size, message_size : int
        l and L; m * L must be at least l.
    dtype : dtype
        Of gradients, float32 or float64.
    message_dtype : dtype, optional
        Of messages, where they have another type, with float32: float16; or uint16 or "bfloat16", for bfloat16.
    num_threads : int, optional
        At most so many threads; by default the number set for the process at the time of a call.
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
    """Gradients from one set of survivors: ``decode(messages, out)`` is `gc_core.decode`, all else settled.

    Parameters
    ----------
    weights : ndarray, shape (m, S)
        Copied; of `dtype`, contiguous.
    gradient_size, message_size : int
        l and L; m * L must be at least l.
    dtype : dtype
        Of the gradient, float32 or float64.
    message_dtype : dtype, optional
        Of messages, where they have another type, with float32: float16; or uint16 or "bfloat16", for bfloat16.
    num_threads : int, optional
        At most so many threads; by default the number set for the process at the time of a call.
    """

    def __init__(self, weights, gradient_size, message_size, dtype, message_dtype=None, num_threads=None):
        self.prepare(False, weights, gradient_size, message_size, dtype, message_dtype, num_threads)

    def decode(self, messages, out, bint accumulate=False):
        """Write (or add) the gradient to `out`; return `out`. A single message needs no list."""
        return self.run(messages, out, accumulate)


def level():
    """Return the name of the level in use."""
    return gc_level_name(gc_level_current()).decode("ascii")


def levels():
    """Return the names of all levels that there are, on any processor."""
    return tuple(gc_level_name(i).decode("ascii") for i in range(GC_N_LEVELS))


def available_levels():
    """Return the names of the levels that this processor can run, slowest first."""
    return tuple(gc_level_name(i).decode("ascii") for i in range(GC_N_LEVELS) if gc_level_available(i))


def force_level(name):
    """Use the level `name` in the whole process from the next call on."""
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, got {name!r}")
    if name not in available_levels():
        raise ValueError(f"name must be one of {', '.join(available_levels())}, got {name!r}")
    for i in range(GC_N_LEVELS):
        if gc_level_name(i).decode("ascii") == name:
            check(gc_level_force(i))


def num_threads():
    """Return the number of threads of calls that name none."""
    return gc_threads_default()


def set_num_threads(count):
    """Let calls that name no number use up to `count` threads, in the whole process."""
    if count is None:
        raise TypeError("count must be an integer of at least 1, got None")
    check(gc_threads_set_default(check_threads(count, "count")))


def threads_available():
    """Return whether several threads can be used: not without OpenMP, and not after a fork."""
    return bool(gc_threads_available())


def threads_for(size_t n_bytes, count=None):
    """Return the number of threads that a call takes which reads and writes `n_bytes`."""
    return gc_threads_for(n_bytes, check_threads(count, "count"))


cdef int encode_f32(const float *coefficients, size_t n_gradients, size_t parts, size_t stride,
                    const float *const *gradients, size_t length, float *message, bint accumulate,
                    int num_threads) except -1 nogil:
    return check(gc_encode_f32(coefficients, n_gradients, parts, stride, gradients, length, message,
                               GC_ACCUMULATE if accumulate else 0, num_threads))


cdef int encode_f64(const double *coefficients, size_t n_gradients, size_t parts, size_t stride,
                    const double *const *gradients, size_t length, double *message, bint accumulate,
                    int num_threads) except -1 nogil:
    return check(gc_encode_f64(coefficients, n_gradients, parts, stride, gradients, length, message,
                               GC_ACCUMULATE if accumulate else 0, num_threads))


cdef int encode_f16(const float *coefficients, size_t n_gradients, size_t parts, size_t stride,
                    const float *const *gradients, size_t length, uint16_t *message, int num_threads) except -1 nogil:
    return check(gc_encode_f16(coefficients, n_gradients, parts, stride, gradients, length, message, 0, num_threads))


cdef int encode_bf16(const float *coefficients, size_t n_gradients, size_t parts, size_t stride,
                     const float *const *gradients, size_t length, uint16_t *message,
                     int num_threads) except -1 nogil:
    return check(gc_encode_bf16(coefficients, n_gradients, parts, stride, gradients, length, message, 0, num_threads))


cdef int decode_f32(const float *weights, size_t n_messages, size_t parts, size_t stride,
                    const float *const *messages, size_t length, float *out, bint accumulate,
                    int num_threads) except -1 nogil:
    return check(gc_decode_f32(weights, n_messages, parts, stride, messages, length, out,
                               GC_ACCUMULATE if accumulate else 0, num_threads))


cdef int decode_f64(const double *weights, size_t n_messages, size_t parts, size_t stride,
                    const double *const *messages, size_t length, double *out, bint accumulate,
                    int num_threads) except -1 nogil:
    return check(gc_decode_f64(weights, n_messages, parts, stride, messages, length, out,
                               GC_ACCUMULATE if accumulate else 0, num_threads))


cdef int decode_f16(const float *weights, size_t n_messages, size_t parts, size_t stride,
                    const uint16_t *const *messages, size_t length, float *out, bint accumulate,
                    int num_threads) except -1 nogil:
    return check(gc_decode_f16(weights, n_messages, parts, stride, messages, length, out,
                               GC_ACCUMULATE if accumulate else 0, num_threads))


cdef int decode_bf16(const float *weights, size_t n_messages, size_t parts, size_t stride,
                     const uint16_t *const *messages, size_t length, float *out, bint accumulate,
                     int num_threads) except -1 nogil:
    return check(gc_decode_bf16(weights, n_messages, parts, stride, messages, length, out,
                                GC_ACCUMULATE if accumulate else 0, num_threads))


cdef object message_type(dtype):
    """Return the element type of messages; NumPy does not know the name of bfloat16."""
    return np.dtype(np.uint16) if isinstance(dtype, str) and dtype == "bfloat16" else np.dtype(dtype)


cdef inline bint is_half(int kind) noexcept:
    """Whether an element type is one of messages only: float16, or uint16 for bfloat16."""
    return kind == cnp.NPY_FLOAT16 or kind == cnp.NPY_UINT16


cdef inline int real_kind(int kind) noexcept:
    """The type in which sums are made for messages of this type."""
    return cnp.NPY_FLOAT32 if is_half(kind) else kind


cdef int check_threads(count, str name="num_threads") except -1:
    """Return a number of threads, 0 for the default of the process."""
    if count is None:
        return 0
    rule = f"{name} must be an integer of at least 1, got {count!r}"
    if isinstance(count, bool) or not hasattr(count, "__index__"):
        raise TypeError(rule)
    if count < 1:
        raise ValueError(rule)
    return min(count, MANY_THREADS)


cdef tuple hold(str name, arrays):
    """Return the arrays as a tuple of our own, so that no other thread can free one during the call."""
    if not isinstance(arrays, (list, tuple)):
        raise TypeError(f"{name} must be a list or tuple of numpy.ndarray, got {type(arrays).__name__}")
    return tuple(arrays)


cdef int check_output(out, bint message) except -1:
    """Check `out` and return its element type."""
    check_array("out", -1, out, 1)
    cdef int kind = cnp.PyArray_TYPE(out)
    if kind != cnp.NPY_FLOAT32 and kind != cnp.NPY_FLOAT64 and not (message and is_half(kind)):
        types = "float32, float64, float16 or uint16 (bfloat16)" if message else "float32 or float64"
        raise TypeError(f"out must be {types}, got {out.dtype}")
    if not cnp.PyArray_ISWRITEABLE(out):
        raise ValueError("out must be writeable, got a read-only array")
    return kind


cdef int check_table(str name, array, int kind, out) except -1:
    check_array(name, -1, array, 2)
    return check_input(name, -1, array, kind, out)


cdef cnp.npy_intp collect(str name, tuple arrays, int kind, out, const void **buffers) except -1:
    """Fill in the addresses of equally long one-dimensional arrays; return their length, 0 if there are none."""
    cdef cnp.npy_intp size = 0
    cdef Py_ssize_t i
    for i in range(len(arrays)):
        array = arrays[i]
        check_array(name, i, array, 1)
        check_input(name, i, array, kind, out)
        if i == 0:
            size = cnp.PyArray_SIZE(array)
        elif cnp.PyArray_SIZE(array) != size:
            raise ValueError(
                f"{name}[{i}] must have {size} elements, as {name}[0] has, got {cnp.PyArray_SIZE(array)}"
            )
        buffers[i] = cnp.PyArray_DATA(array)
    return size


cdef inline int check_vector(str name, Py_ssize_t index, array, int kind, Py_ssize_t size) except -1:
    """Check an array of known type and size, at the cost of some comparisons where it is as it should be."""
    if is_as_planned(<PyObject *>array, kind, size):
        return 0
    return explain(name, index, array, kind, size)


cdef int explain(str name, Py_ssize_t index, array, int kind, Py_ssize_t size) except -1:
    """Say what is wrong with an array, unless it is only of a subclass."""
    check_array(name, index, array, 1)
    if cnp.PyArray_TYPE(array) != kind:
        wanted = cnp.PyArray_DescrFromType(kind)
        raise TypeError(f"{label(name, index)} must be {wanted} as planned, got {array.dtype}")
    if cnp.PyArray_SIZE(array) != size:
        raise ValueError(f"{label(name, index)} must have {size} elements as planned, got {array.size}")
    return 0


cdef int check_array(str name, Py_ssize_t index, array, int ndim) except -1:
    """Check what the kernels need of any array; the element type is checked elsewhere."""
    if not cnp.PyArray_Check(array):
        raise TypeError(f"{label(name, index)} must be a numpy.ndarray, got {type(array).__name__}")
    # By its type, since isinstance would ask the array, whose answer may do anything to the others.
    if not cnp.PyArray_CheckExact(array) and issubclass(type(array), MaskedArray):
        raise TypeError(f"{label(name, index)} must be a plain numpy.ndarray, got a MaskedArray, whose mask would be lost")
    if cnp.PyArray_NDIM(array) != ndim:
        raise ValueError(f"{label(name, index)} must have {ndim} dimension{'s' * (ndim > 1)}, got {array.ndim}")
    if not cnp.PyArray_IS_C_CONTIGUOUS(array):
        raise ValueError(f"{label(name, index)} must be C-contiguous, got strides {array.strides} bytes")
    if not cnp.PyArray_ISBEHAVED_RO(array):
        raise ValueError(
            f"{label(name, index)} must be aligned and in native byte order, got dtype {array.dtype.str}, "
            f"aligned={array.flags.aligned}"
        )
    return 0


cdef int check_input(str name, Py_ssize_t index, array, int kind, out) except -1:
    """Check that an array that has passed `check_array` has the type wanted and shares no byte with `out`."""
    if cnp.PyArray_TYPE(array) != kind:
        if kind == cnp.PyArray_TYPE(out):
            raise TypeError(f"{label(name, index)} must be {out.dtype} as out is, got {array.dtype}")
        wanted = cnp.PyArray_DescrFromType(kind)
        raise TypeError(f"{label(name, index)} must be {wanted} where out is {out.dtype}, got {array.dtype}")
    return check_apart(
        name, index, cnp.PyArray_DATA(array), cnp.PyArray_NBYTES(array), cnp.PyArray_DATA(out), cnp.PyArray_NBYTES(out)
    )


cdef inline int check_apart(str name, Py_ssize_t index, const void *array, size_t size, const void *out,
                            size_t out_size) except -1:
    cdef uintptr_t first = <uintptr_t>array, out_first = <uintptr_t>out
    if size > 0 and out_size > 0 and first < out_first + out_size and out_first < first + size:
        raise ValueError(f"out must not overlap {label(name, index)}, but they share memory")
    return 0


cdef str label(str name, Py_ssize_t index):
    return name if index < 0 else f"{name}[{index}]"


cdef const void **allocate(const void **stack, Py_ssize_t count) except NULL:
    if count <= STACK_POINTERS:
        return stack
    cdef const void **heap = <const void **>PyMem_Malloc(count * sizeof(void *))
    if heap == NULL:
        raise MemoryError(f"no memory for the pointers to {count} buffers")
    return heap


cdef inline void release(const void **stack, const void **buffers) noexcept:
    if buffers != stack:
        PyMem_Free(buffers)


cdef extern from *:
    """
    #include "gradcode_import.h"

    /* For modules written in C, which find it through gc_import(); the text of a status is in another extension. */
    static struct gc_api gc_core_functions = {
        .version = GC_API_VERSION,
        .size = sizeof(struct gc_api),
        .level_name = gc_level_name,
        .level_available = gc_level_available,
        .level_current = gc_level_current,
        .level_force = gc_level_force,
        .threads_default = gc_threads_default,
        .threads_set_default = gc_threads_set_default,
        .threads_available = gc_threads_available,
        .threads_for = gc_threads_for,
        .encode_f32 = gc_encode_f32,
        .encode_f64 = gc_encode_f64,
        .encode_f16 = gc_encode_f16,
        .encode_bf16 = gc_encode_bf16,
        .decode_f32 = gc_decode_f32,
        .decode_f64 = gc_decode_f64,
        .decode_f16 = gc_decode_f16,
        .decode_bf16 = gc_decode_bf16,
        .plan_encode = gc_plan_encode,
        .plan_decode = gc_plan_decode,
        .plan_run = gc_plan_run,
        .plan_free = gc_plan_free,
    };
    """
    const char *GC_API_CAPSULE
    struct gc_api:
        const char *(*status_message)(int status) noexcept nogil
    gc_api gc_core_functions

gc_core_functions.status_message = text
_c_api = PyCapsule_New(&gc_core_functions, GC_API_CAPSULE, NULL)
