"""Encode and decode on NumPy buffers, and the level of the kernels.

Arguments are read through the NumPy C API: a check of type and flags costs a few nanoseconds per array, a typed
memoryview over a hundred.  Nothing is copied or cast: an array that the kernels cannot take as it is is refused.
"""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stddef cimport size_t
from libc.stdint cimport uintptr_t

cimport numpy as cnp

from gc_core.c_api cimport (
    GC_ACCUMULATE,
    GC_N_LEVELS,
    gc_decode_f32,
    gc_decode_f64,
    gc_encode_f32,
    gc_encode_f64,
    gc_level_available,
    gc_level_current,
    gc_level_force,
    gc_level_name,
)
from gc_core.status cimport check

from numpy.ma import MaskedArray

cnp.import_array()

cdef enum:
    STACK_POINTERS = 64  # the pointers of up to so many buffers need no allocation


def encode(coefficients, gradients, out, bint accumulate=False):
    """Write (or add) one worker's message: out[t] = sum of coefficients[j, u] * gradients[j][u*L + t].

    Parameters
    ----------
    coefficients : ndarray, shape (k, m)
        Row j holds the coefficients of the m blocks of gradient j; a zero skips the block, unread.
    gradients : list or tuple of ndarray, shape (l,)
        The k gradients, in separate buffers.
    out : ndarray, shape (L,)
        The message; m * L must be at least l.
    accumulate : bool, default False
        Add to `out` instead of overwriting it.

    Returns
    -------
    ndarray
        `out`.

    Notes
    -----
    All arrays are contiguous, of one type, float32 or float64. The GIL is released around the kernel.
    """
    cdef tuple held = hold("gradients", gradients)
    cdef Py_ssize_t count = len(held)
    cdef int kind = check_output(out)
    check_table("coefficients", coefficients, kind, out)
    cdef cnp.npy_intp *shape = cnp.PyArray_DIMS(coefficients)
    cdef cnp.npy_intp parts = shape[1]
    if shape[0] != count:
        raise ValueError(f"coefficients must have one row for each of the {count} gradients, got {shape[0]} rows")
    if parts == 0:
        raise ValueError("coefficients must have at least one column, got 0")

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
            if kind == cnp.NPY_FLOAT32:
                encode_f32(<const float *>table, count, parts, stride, <const float *const *>buffers, length,
                           <float *>message, accumulate)
            else:
                encode_f64(<const double *>table, count, parts, stride, <const double *const *>buffers, length,
                           <double *>message, accumulate)
    finally:
        release(stack, buffers)
    return out


def decode(weights, messages, out, bint accumulate=False):
    """Write (or add) the gradient of one group: out[u*L + t] = sum of weights[u, i] * messages[i][t].

    Parameters
    ----------
    weights : ndarray, shape (m, S)
        Row u holds the weights of the S messages in block u; a zero skips the message for that row.
    messages : list or tuple of ndarray, shape (L,)
        The S messages, in separate buffers.
    out : ndarray, shape (l,)
        The gradient; m * L must be at least l.
    accumulate : bool, default False
        Complete the sum, then add it to `out`, instead of overwriting `out`.

    Returns
    -------
    ndarray
        `out`.

    Notes
    -----
    All arrays are contiguous, of one type, float32 or float64. The GIL is released around the kernel.
    """
    cdef tuple held = hold("messages", messages)
    cdef Py_ssize_t count = len(held)
    cdef int kind = check_output(out)
    check_table("weights", weights, kind, out)
    cdef cnp.npy_intp *shape = cnp.PyArray_DIMS(weights)
    cdef cnp.npy_intp parts = shape[0]
    if shape[1] != count:
        raise ValueError(f"weights must have one column for each of the {count} messages, got {shape[1]} columns")
    if parts == 0:
        raise ValueError("weights must have at least one row, got 0")

    cdef const void *table = cnp.PyArray_DATA(weights)
    cdef void *gradient = cnp.PyArray_DATA(out)
    cdef cnp.npy_intp length = cnp.PyArray_SIZE(out), stride
    cdef const void *stack[STACK_POINTERS]
    cdef const void **buffers = allocate(stack, count)
    try:
        stride = collect("messages", held, kind, out, buffers)
        if count == 0:
            stride = length  # no message tells it, and zeros are the same with any
        if stride < length // parts + (length % parts != 0):
            raise ValueError(
                f"messages[0] must have at least {length // parts + (length % parts != 0)} elements for "
                f"out of {length} elements in {parts} blocks, got {stride}"
            )
        with nogil:
            if kind == cnp.NPY_FLOAT32:
                decode_f32(<const float *>table, count, parts, stride, <const float *const *>buffers, length,
                           <float *>gradient, accumulate)
            else:
                decode_f64(<const double *>table, count, parts, stride, <const double *const *>buffers, length,
                           <double *>gradient, accumulate)
    finally:
        release(stack, buffers)
    return out


def level():
    """Return the name of the level in use."""
    return gc_level_name(gc_level_current()).decode("ascii")


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


cdef int encode_f32(const float *coefficients, size_t n_gradients, size_t parts, size_t stride,
                    const float *const *gradients, size_t length, float *message, bint accumulate) except -1 nogil:
    return check(gc_encode_f32(coefficients, n_gradients, parts, stride, gradients, length, message,
                               GC_ACCUMULATE if accumulate else 0))


cdef int encode_f64(const double *coefficients, size_t n_gradients, size_t parts, size_t stride,
                    const double *const *gradients, size_t length, double *message, bint accumulate) except -1 nogil:
    return check(gc_encode_f64(coefficients, n_gradients, parts, stride, gradients, length, message,
                               GC_ACCUMULATE if accumulate else 0))


cdef int decode_f32(const float *weights, size_t n_messages, size_t parts, size_t stride,
                    const float *const *messages, size_t length, float *out, bint accumulate) except -1 nogil:
    return check(gc_decode_f32(weights, n_messages, parts, stride, messages, length, out,
                               GC_ACCUMULATE if accumulate else 0))


cdef int decode_f64(const double *weights, size_t n_messages, size_t parts, size_t stride,
                    const double *const *messages, size_t length, double *out, bint accumulate) except -1 nogil:
    return check(gc_decode_f64(weights, n_messages, parts, stride, messages, length, out,
                               GC_ACCUMULATE if accumulate else 0))


cdef tuple hold(str name, arrays):
    """Return the arrays as a tuple of our own, so that no other thread can free one during the call."""
    if not isinstance(arrays, (list, tuple)):
        raise TypeError(f"{name} must be a list or tuple of numpy.ndarray, got {type(arrays).__name__}")
    return tuple(arrays)


cdef int check_output(out) except -1:
    """Check `out` and return its element type."""
    check_array("out", -1, out, 1)
    cdef int kind = cnp.PyArray_TYPE(out)
    if kind != cnp.NPY_FLOAT32 and kind != cnp.NPY_FLOAT64:
        raise TypeError(f"out must be float32 or float64, got {out.dtype}")
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


cdef int check_array(str name, Py_ssize_t index, array, int ndim) except -1:
    """Check what the kernels need of any array; the element type is checked elsewhere."""
    if not cnp.PyArray_Check(array):
        raise TypeError(f"{label(name, index)} must be a numpy.ndarray, got {type(array).__name__}")
    if not cnp.PyArray_CheckExact(array) and isinstance(array, MaskedArray):
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
    """Check that an array that has passed `check_array` has the type of `out` and shares no byte with it."""
    if cnp.PyArray_TYPE(array) != kind:
        raise TypeError(f"{label(name, index)} must be {out.dtype} as out is, got {array.dtype}")
    cdef uintptr_t first = <uintptr_t>cnp.PyArray_DATA(array), out_first = <uintptr_t>cnp.PyArray_DATA(out)
    cdef size_t size = cnp.PyArray_NBYTES(array), out_size = cnp.PyArray_NBYTES(out)
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


cdef void release(const void **stack, const void **buffers) noexcept:
    if buffers != stack:
        PyMem_Free(buffers)
