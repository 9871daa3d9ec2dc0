# cython: freethreading_compatible=True
"""The C kernels: their functions for Cython and C, and the level and the threads in use.

This module contains the C sources, so that the level and the number of threads exist once in a process.
"""

from cpython.pycapsule cimport PyCapsule_New
from libc.stddef cimport size_t
from libc.stdint cimport uint16_t

from gc_core.c_api cimport (
    GC_ACCUMULATE,
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
from gc_core.checks cimport check_threads
from gc_core.status cimport check, text


def level():
    """Return the name of the level in use."""
    return gc_level_name(gc_level_current()).decode("ascii")


def levels():
    """Return the names of all levels, of all processors."""
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
    """Return the number of threads of calls without `num_threads`."""
    return gc_threads_default()


def set_num_threads(count):
    """Let calls without `num_threads` use up to `count` threads, in the whole process."""
    if count is None:
        raise TypeError("count must be an integer of at least 1, got None")
    check(gc_threads_set_default(check_threads(count, "count")))


def threads_available():
    """Return whether several threads can be used: this needs OpenMP, and is lost after a fork."""
    return bool(gc_threads_available())


def threads_for(size_t n_bytes, count=None):
    """Return the number of threads that a call uses if it reads and writes `n_bytes`."""
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


cdef int plan_encode(gc_plan **plan, int type, const void *coefficients, size_t n_gradients, size_t parts,
                     size_t stride, size_t length) except -1 nogil:
    return check(gc_plan_encode(plan, type, coefficients, n_gradients, parts, stride, length))


cdef int plan_decode(gc_plan **plan, int type, const void *weights, size_t n_messages, size_t parts,
                     size_t stride, size_t length) except -1 nogil:
    return check(gc_plan_decode(plan, type, weights, n_messages, parts, stride, length))


cdef int plan_run(const gc_plan *plan, const void *const *buffers, void *out, bint accumulate,
                  int num_threads) except -1 nogil:
    return check(gc_plan_run(plan, buffers, out, GC_ACCUMULATE if accumulate else 0, num_threads))


cdef void plan_free(gc_plan *plan) noexcept nogil:
    gc_plan_free(plan)


cdef extern from *:
    """
    #include "gradcode_import.h"

    /* For modules written in C, which find it by gc_import().  The function for the text of a status is in another
     * extension, and is added below. */
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
