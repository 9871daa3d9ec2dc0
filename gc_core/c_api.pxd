# Declarations of gradcode.h; the comments are there.

cdef extern from "gradcode.h" nogil:
    enum:
        GC_OK
        GC_N_STATUS
        GC_ACCUMULATE
        GC_N_LEVELS

    const char *gc_status_message(int status)

    const char *gc_level_name(int level)
    int gc_level_available(int level)
    int gc_level_current()
    int gc_level_force(int level)

    int gc_encode_f32(const float *coefficients, size_t n_gradients, size_t parts, size_t stride,
                      const float *const *gradients, size_t length, float *message, unsigned flags)
    int gc_encode_f64(const double *coefficients, size_t n_gradients, size_t parts, size_t stride,
                      const double *const *gradients, size_t length, double *message, unsigned flags)
    int gc_decode_f32(const float *weights, size_t n_messages, size_t parts, size_t stride,
                      const float *const *messages, size_t length, float *out, unsigned flags)
    int gc_decode_f64(const double *weights, size_t n_messages, size_t parts, size_t stride,
                      const double *const *messages, size_t length, double *out, unsigned flags)
