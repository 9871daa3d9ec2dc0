/**
 * @file gradcode.h
 * @brief The C interface of gradcode: encode and decode on plain buffers.
 *
 * Every function that can fail returns a status of enum gc_status, GC_OK being zero.  No function prints or
 * aborts.  All are safe to call from several threads at once.
 *
 * A gradient of `length` elements is cut into `parts` contiguous blocks of `stride` elements:
 * block u covers [u*stride, min(length, (u+1)*stride)).  A short or empty block counts as padded with zeros,
 * but nothing beyond `length` is ever read or written.
 */
#ifndef GRADCODE_H
#define GRADCODE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define GC_API __attribute__((visibility("default")))
#else
#define GC_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** The result of a call. */
enum gc_status {
    GC_OK = 0,        /**< done */
    GC_ERR_NULL,      /**< a pointer that the call would read through is null */
    GC_ERR_PARTS,     /**< parts is zero */
    GC_ERR_SIZE,      /**< parts*stride is less than length */
    GC_ERR_OVERFLOW,  /**< a product of the sizes does not fit in size_t */
    GC_ERR_FLAGS,     /**< an unknown flag is set, or one that this operation does not allow */
    GC_ERR_LEVEL,     /**< no such level, or one that this processor lacks */
    GC_ERR_TYPE,      /**< no such combination of element types */
    GC_ERR_MEMORY,    /**< no memory for a plan */
    GC_ERR_THREADS,   /**< a negative number of threads, or zero as the default */
    GC_N_STATUS       /**< the number of statuses; not a status */
};

/** Options of a call, to be or-ed together. */
enum gc_flags {
    GC_ACCUMULATE = 1  /**< complete the sum, then add it to the output instead of overwriting it */
};

/** Element types: of gradients, then of messages where these differ.  Weights have the type of the gradients. */
enum gc_type {
    GC_F32 = 0,     /**< float */
    GC_F64,         /**< double */
    GC_F32_F16,     /**< float, messages in IEEE half precision, held in uint16_t */
    GC_F32_BF16,    /**< float, messages in bfloat16, held in uint16_t */
    GC_N_TYPES      /**< the number of types; not a type */
};

/** Variants of the kernels, by instruction set.  The last one that is available is the fastest. */
enum gc_level {
    GC_LEVEL_BASE = 0,  /**< portable C, always available */
    GC_LEVEL_NEON,      /**< 64-bit ARM */
    GC_LEVEL_AVX2,      /**< x86-64 with AVX2, FMA and F16C */
    GC_LEVEL_AVX512,    /**< x86-64 with AVX-512 F, BW, DQ and VL */
    GC_N_LEVELS         /**< the number of levels; not a level */
};

/** The text of a status; a constant string for any argument, never null. */
GC_API const char *gc_status_message(int status);

/** The name of a level ("base"), or null if there is no such level. */
GC_API const char *gc_level_name(int level);

/** 1 if the level has been compiled and can run on this processor under this system, else 0. */
GC_API int gc_level_available(int level);

/** The level in use; by default the fastest that is available. */
GC_API int gc_level_current(void);

/** Use this level from the next call on, in the whole process; GC_ERR_LEVEL if it is not available. */
GC_API int gc_level_force(int level);

/** The number of threads of calls with num_threads 0; by default 1. */
GC_API int gc_threads_default(void);

/** Set that number for the whole process; at least 1. */
GC_API int gc_threads_set_default(int num_threads);

/** 1 if the kernels can use more than one thread: compiled with OpenMP, and not after a fork. */
GC_API int gc_threads_available(void);

/**
 * The number of threads that a call uses if it reads and writes `bytes`.
 *
 * It is at most num_threads (0: the default), at most what OpenMP allows the calling thread (omp_get_max_threads), and
 * at most one per GC_BYTES_PER_THREAD bytes.  After a fork it is 1, since the threads of OpenMP do not survive a fork.
 */
GC_API int gc_threads_for(size_t bytes, int num_threads);

/** Below twice this many bytes, a second thread that sleeps between calls costs more time than it saves.  Tests are
 * compiled with a smaller value. */
#ifndef GC_BYTES_PER_THREAD
#define GC_BYTES_PER_THREAD ((size_t)4 << 20)
#endif

/**
 * @brief message[t] = sum over j, u of coefficients[j*parts + u] * gradients[j][u*stride + t], t in [0, stride).
 *
 * A zero coefficient skips its block, which is then not read: a NaN in it does not matter.  Without any
 * gradient the message becomes zero.  With GC_ACCUMULATE the sum is completed first and then added to the message,
 * so that a message can be built from one gradient at a time.  Products are added in the order of j, then u.
 *
 * @param coefficients  n_gradients*parts elements, row j for gradient j
 * @param n_gradients   number of gradients, may be 0
 * @param parts         number of blocks per gradient, at least 1
 * @param stride        elements per block and in the message; parts*stride >= length
 * @param gradients     n_gradients pointers to `length` elements each
 * @param length        elements per gradient
 * @param message       `stride` elements
 * @param flags         0 or GC_ACCUMULATE
 * @param num_threads   use at most this many threads; 0 for the default of the process
 * @pre The message overlaps no input; all buffers are aligned to their element type.
 */
GC_API int gc_encode_f32(const float *coefficients, size_t n_gradients, size_t parts, size_t stride,
                         const float *const *gradients, size_t length, float *message, unsigned flags, int num_threads);
/** As gc_encode_f32, in double precision. */
GC_API int gc_encode_f64(const double *coefficients, size_t n_gradients, size_t parts, size_t stride,
                         const double *const *gradients, size_t length, double *message, unsigned flags,
                         int num_threads);
/** As gc_encode_f32, the complete sum rounded once to half precision, to nearest even; no GC_ACCUMULATE. */
GC_API int gc_encode_f16(const float *coefficients, size_t n_gradients, size_t parts, size_t stride,
                         const float *const *gradients, size_t length, uint16_t *message, unsigned flags,
                         int num_threads);
/** As gc_encode_f32, the complete sum rounded once to bfloat16, to nearest even; no GC_ACCUMULATE. */
GC_API int gc_encode_bf16(const float *coefficients, size_t n_gradients, size_t parts, size_t stride,
                          const float *const *gradients, size_t length, uint16_t *message, unsigned flags,
                          int num_threads);

/**
 * @brief out[u*stride + t] = sum over i of weights[u*n_messages + i] * messages[i][t], wherever u*stride + t < length.
 *
 * A zero weight skips its message for that row.  Without any message the output becomes zero.  With
 * GC_ACCUMULATE the sum is completed first and then added to the output, so that the rounding error is that of the
 * sum, not that of the output.  Products are added in the order of i.
 *
 * @param weights      parts*n_messages elements, row u for block u
 * @param n_messages   number of messages, may be 0
 * @param parts        number of blocks in the output, at least 1
 * @param stride       elements per block and in each message; parts*stride >= length
 * @param messages     n_messages pointers to `stride` elements each
 * @param length       elements in the output
 * @param out          `length` elements
 * @param flags        0 or GC_ACCUMULATE
 * @param num_threads  use at most this many threads; 0 for the default of the process
 * @pre The output overlaps no input; all buffers are aligned to their element type.
 */
GC_API int gc_decode_f32(const float *weights, size_t n_messages, size_t parts, size_t stride,
                         const float *const *messages, size_t length, float *out, unsigned flags, int num_threads);
/** As gc_decode_f32, in double precision. */
GC_API int gc_decode_f64(const double *weights, size_t n_messages, size_t parts, size_t stride,
                         const double *const *messages, size_t length, double *out, unsigned flags, int num_threads);
/** As gc_decode_f32, from messages in half precision; the sum is made in float. */
GC_API int gc_decode_f16(const float *weights, size_t n_messages, size_t parts, size_t stride,
                         const uint16_t *const *messages, size_t length, float *out, unsigned flags, int num_threads);
/** As gc_decode_f32, from messages in bfloat16; the sum is made in float. */
GC_API int gc_decode_bf16(const float *weights, size_t n_messages, size_t parts, size_t stride,
                          const uint16_t *const *messages, size_t length, float *out, unsigned flags, int num_threads);

/**
 * A prepared encode or decode: coefficients and sizes are checked and laid out once, for any number of runs.
 *
 * Several threads may run one plan at once.  The functions above make a plan for each call, on the stack if it is
 * small.  With thousands of coefficients they call malloc, which can fail (GC_ERR_MEMORY).
 */
typedef struct gc_plan gc_plan;

/** Prepare an encode.  Arguments as for gc_encode_f32; coefficients have the type of the gradients and are copied. */
GC_API int gc_plan_encode(gc_plan **plan, int type, const void *coefficients, size_t n_gradients, size_t parts,
                          size_t stride, size_t length);

/** Prepare a decode.  Arguments as for gc_decode_f32; weights have the type of the gradient and are copied. */
GC_API int gc_plan_decode(gc_plan **plan, int type, const void *weights, size_t n_messages, size_t parts, size_t stride,
                          size_t length);

/**
 * @brief Encode or decode on these buffers.
 *
 * @param plan         what to do
 * @param buffers      the gradients or messages; as many as the plan was made for
 * @param out          the message or the gradient
 * @param flags        0 or GC_ACCUMULATE
 * @param num_threads  use at most this many threads; 0 for the default of the process
 * @pre The output overlaps no input; all buffers are aligned to their element type.
 */
GC_API int gc_plan_run(const gc_plan *plan, const void *const *buffers, void *out, unsigned flags, int num_threads);

/** Free a plan; null is allowed. */
GC_API void gc_plan_free(gc_plan *plan);

#ifdef __cplusplus
}
#endif

#endif
