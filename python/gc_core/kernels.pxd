# The kernels for other Cython modules; gradcode.h describes the arguments.  A status other than GC_OK raises
# KernelError.

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

cdef int plan_encode(gc_plan **plan, int type, const void *coefficients, size_t n_gradients, size_t parts,
                     size_t stride, size_t length) except -1 nogil
cdef int plan_decode(gc_plan **plan, int type, const void *weights, size_t n_messages, size_t parts,
                     size_t stride, size_t length) except -1 nogil
cdef int plan_run(const gc_plan *plan, const void *const *buffers, void *out, bint accumulate,
                  int num_threads) except -1 nogil
cdef void plan_free(gc_plan *plan) noexcept nogil
