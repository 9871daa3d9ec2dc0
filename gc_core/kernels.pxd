# The kernels for other Cython modules; see gradcode.h for the arguments.  A status other than GC_OK raises KernelError.

cdef int encode_f32(const float *coefficients, size_t n_gradients, size_t parts, size_t stride,
                    const float *const *gradients, size_t length, float *message, bint accumulate) except -1 nogil
cdef int encode_f64(const double *coefficients, size_t n_gradients, size_t parts, size_t stride,
                    const double *const *gradients, size_t length, double *message, bint accumulate) except -1 nogil
cdef int decode_f32(const float *weights, size_t n_messages, size_t parts, size_t stride,
                    const float *const *messages, size_t length, float *out, bint accumulate) except -1 nogil
cdef int decode_f64(const double *weights, size_t n_messages, size_t parts, size_t stride,
                    const double *const *messages, size_t length, double *out, bint accumulate) except -1 nogil
