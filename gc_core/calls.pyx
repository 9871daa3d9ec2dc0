# cython: freethreading_compatible=True
"""Encode and decode on NumPy arrays, one call at a time.

Element types: float32 or float64 throughout, or float32 with messages of float16 or bfloat16.  NumPy has no bfloat16:
such messages are arrays of uint16.
"""

from libc.stdint cimport uint16_t

cimport numpy as cnp

from gc_core.checks cimport (
    STACK_POINTERS,
    allocate,
    check_output,
    check_table,
    check_threads,
    collect,
    hold,
    is_half,
    real_kind,
    release,
)
from gc_core.kernels cimport (
    decode_bf16,
    decode_f16,
    decode_f32,
    decode_f64,
    encode_bf16,
    encode_f16,
    encode_f32,
    encode_f64,
)

cnp.import_array()


def encode(coefficients, gradients, out, bint accumulate=False, num_threads=None):
    """Write (or add) one worker's message: out[t] = sum of coefficients[j, u] * gradients[j][u*L + t].

    Parameters
    ----------
    coefficients : ndarray, shape (k, m)
        Row j holds the coefficients of the m blocks of gradient j; the block of a zero is not read.
    gradients : list or tuple of ndarray, shape (l,)
        The k gradients, in separate buffers.
    out : ndarray, shape (L,)
        The message; m * L must be at least l. It has the type of the gradients; if that is float32, it may also be
        float16, or uint16 for bfloat16.
    accumulate : bool, default False
        Add the complete sum to `out` instead of overwriting `out`. Not possible with messages of 16 bits.
    num_threads : int, optional
        Use at most this many threads; by default the number set for the process.

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
        Row u holds the weights of the S messages in block u; the message of a zero is not read for that row.
    messages : list or tuple of ndarray, shape (L,)
        The S messages, in separate buffers. They have the type of `out`; if that is float32, they may also be float16,
        or uint16 for bfloat16.
    out : ndarray, shape (l,)
        The gradient; m * L must be at least l.
    accumulate : bool, default False
        Add the complete sum to `out` instead of overwriting `out`.
    num_threads : int, optional
        Use at most this many threads; by default the number set for the process.

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
            stride = length  # there is no message to take it from, and the result is zero with any
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
