# The kernels for other Cython modules; see gradcode.h for the arguments.  A status other than GC_OK raises KernelError.

from libc.stdint cimport uint16_t

from gc_core.c_api cimport gc_plan

cdef int encode_f32(const float *coefficients, size_t n_gradients, size_t parts, size_t stride,
                    const float *const *gradients, size_t length, float *message, bint accumulate,
                    int num_threads) except -1 nogil
cdef int encode_f64(const double *coefficients, size_t n_gradients, size_t parts, size_t stride,
                    const double *const *gradients, size_t length, double *message, bint accumulate,
                    int num_threads) except -1 nogil
cdef int encode_f16(const float *coefficients, size_t n_gradients, size_t parts, size_t stride,
                    const float *const *gradients, size_t length, uint16_t *message, int num_threads) except -1 nogil
cdef int encode_bf16(const float *coefficients, size_t n_gradients, size_t parts, size_t stride,
                     const float *const *gradients, size_t length, uint16_t *message,
                     int num_threads) except -1 nogil
cdef int decode_f32(const float *weights, size_t n_messages, size_t parts, size_t stride,
                    const float *const *messages, size_t length, float *out, bint accumulate,
                    int num_threads) except -1 nogil
cdef int decode_f64(const double *weights, size_t n_messages, size_t parts, size_t stride,
                    const double *const *messages, size_t length, double *out, bint accumulate,
                    int num_threads) except -1 nogil
cdef int decode_f16(const float *weights, size_t n_messages, size_t parts, size_t stride,
                    const uint16_t *const *messages, size_t length, float *out, bint accumulate,
                    int num_threads) except -1 nogil
cdef int decode_bf16(const float *weights, size_t n_messages, size_t parts, size_t stride,
                     const uint16_t *const *messages, size_t length, float *out, bint accumulate,
                     int num_threads) except -1 nogil


cdef class Plan:
    cdef gc_plan *plan
    cdef readonly Py_ssize_t n_inputs       # gradients or messages
    cdef readonly Py_ssize_t parts
    cdef readonly Py_ssize_t gradient_size
    cdef readonly Py_ssize_t message_size
    cdef readonly object dtype              # of gradients
    cdef readonly object message_dtype
    cdef readonly object num_threads
    cdef Py_ssize_t in_size, out_size, in_bytes, out_bytes
    cdef int in_kind, out_kind, threads
    cdef bint brief                         # so short that the GIL is kept
    cdef str inputs
    cdef object prepare(self, bint encode, table, gradient_size, message_size, dtype, message_dtype, num_threads)
    cdef object run(self, arrays, out, bint accumulate)


cdef class EncodePlan(Plan):
    pass


cdef class DecodePlan(Plan):
    pass
