# Declarations of gradcode.h, which has the comments.

from libc.stdint cimport uint16_t

cdef extern from "gradcode.h" nogil:
    enum:
        GC_OK
        GC_N_STATUS
        GC_ACCUMULATE
        GC_F32
        GC_F64
        GC_F32_F16
        GC_F32_BF16
        GC_N_LEVELS

    const char *gc_status_message(int status)

    const char *gc_level_name(int level)
    int gc_level_available(int level)
    int gc_level_current()
    int gc_level_force(int level)

    int gc_threads_default()
    int gc_threads_set_default(int num_threads)
    int gc_threads_available()
    int gc_threads_for(size_t bytes, int num_threads)

    int gc_encode_f32(const float *coefficients, size_t n_gradients, size_t parts, size_t stride,
                      const float *const *gradients, size_t length, float *message, unsigned flags, int num_threads)
    int gc_encode_f64(const double *coefficients, size_t n_gradients, size_t parts, size_t stride,
                      const double *const *gradients, size_t length, double *message, unsigned flags,
                      int num_threads)
    int gc_encode_f16(const float *coefficients, size_t n_gradients, size_t parts, size_t stride,
                      const float *const *gradients, size_t length, uint16_t *message, unsigned flags,
                      int num_threads)
    int gc_encode_bf16(const float *coefficients, size_t n_gradients, size_t parts, size_t stride,
                       const float *const *gradients, size_t length, uint16_t *message, unsigned flags,
                       int num_threads)
    int gc_decode_f32(const float *weights, size_t n_messages, size_t parts, size_t stride,
                      const float *const *messages, size_t length, float *out, unsigned flags, int num_threads)
    int gc_decode_f64(const double *weights, size_t n_messages, size_t parts, size_t stride,
                      const double *const *messages, size_t length, double *out, unsigned flags, int num_threads)
    int gc_decode_f16(const float *weights, size_t n_messages, size_t parts, size_t stride,
                      const uint16_t *const *messages, size_t length, float *out, unsigned flags, int num_threads)
    int gc_decode_bf16(const float *weights, size_t n_messages, size_t parts, size_t stride,
                       const uint16_t *const *messages, size_t length, float *out, unsigned flags, int num_threads)

    ctypedef struct gc_plan:
        pass

    int gc_plan_encode(gc_plan **plan, int type, const void *coefficients, size_t n_gradients, size_t parts,
                       size_t stride, size_t length)
    int gc_plan_decode(gc_plan **plan, int type, const void *weights, size_t n_messages, size_t parts,
                       size_t stride, size_t length)
    int gc_plan_run(const gc_plan *plan, const void *const *buffers, void *out, unsigned flags, int num_threads)
    void gc_plan_free(gc_plan *plan)
