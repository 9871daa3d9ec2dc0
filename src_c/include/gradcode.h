/**
 * @file gradcode.h
 * @brief The C interface of gradcode: encode and decode on plain buffers.
 *
 * Every function that can fail returns a status of enum gc_status, GC_OK being zero.  No function prints,
 * aborts or allocates.  All are safe to call from several threads at once.
 *
 * A gradient of `length` elements is cut into `parts` contiguous blocks of `stride` elements:
 * block u covers [u*stride, min(length, (u+1)*stride)).  A short or empty block counts as padded with zeros,
 * but nothing beyond `length` is ever read or written.
 */
#ifndef GRADCODE_H
#define GRADCODE_H

#include <stddef.h>

#if defined(__GNUC__)
#define GC_API __attribute__((visibility("default")))
#else
#define GC_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** What a call reports. */
enum gc_status {
    GC_OK = 0,        /**< done */
    GC_ERR_NULL,      /**< a pointer that would be followed is null */
    GC_ERR_PARTS,     /**< parts is zero */
    GC_ERR_SIZE,      /**< parts*stride is less than length */
    GC_ERR_OVERFLOW,  /**< a product of the sizes does not fit in size_t */
    GC_ERR_FLAGS,     /**< an unknown flag is set */
    GC_ERR_LEVEL,     /**< no such level, or one that this processor lacks */
    GC_N_STATUS       /**< the number of statuses, not one itself */
};

/** Options of a call, to be or-ed together. */
enum gc_flags {
    GC_ACCUMULATE = 1  /**< add to the output instead of overwriting it */
};

/** Variants of the kernels by instruction set; later ones are faster where available. */
enum gc_level {
    GC_LEVEL_BASE = 0,  /**< portable C, always available */
    GC_N_LEVELS         /**< the number of levels, not one itself */
};

/** The text of a status; a constant string for any argument, never null. */
GC_API const char *gc_status_message(int status);

/** The name of a level ("base"), or null if there is no such level. */
GC_API const char *gc_level_name(int level);

/** 1 if the level can run on this processor, else 0. */
GC_API int gc_level_available(int level);

/** The level in use. */
GC_API int gc_level_current(void);

/** Use this level in the whole process from the next call on; GC_ERR_LEVEL if it is not available. */
GC_API int gc_level_force(int level);

/**
 * @brief message[t] = sum over j, u of coefficients[j*parts + u] * gradients[j][u*stride + t], t in [0, stride).
 *
 * A zero coefficient skips its block, which is then not read: a NaN in it does not matter.  Without any
 * gradient the message becomes zero.  With GC_ACCUMULATE the sum is added to the message, so that a message
 * can be built from one gradient at a time.  Products are added in the order of j, then u.
 *
 * @param coefficients  n_gradients*parts elements, row j for gradient j
 * @param n_gradients   number of gradients, may be 0
 * @param parts         number of blocks per gradient, at least 1
 * @param stride        elements per block and in the message; parts*stride >= length
 * @param gradients     n_gradients pointers to `length` elements each
 * @param length        elements per gradient
 * @param message       `stride` elements
 * @param flags         0 or GC_ACCUMULATE
 * @pre The message overlaps no input; all buffers are aligned to their element type.
 */
GC_API int gc_encode_f32(const float *coefficients, size_t n_gradients, size_t parts, size_t stride,
                         const float *const *gradients, size_t length, float *message, unsigned flags);
/** As gc_encode_f32, in double precision. */
GC_API int gc_encode_f64(const double *coefficients, size_t n_gradients, size_t parts, size_t stride,
                         const double *const *gradients, size_t length, double *message, unsigned flags);

/**
 * @brief out[u*stride + t] = sum over i of weights[u*n_messages + i] * messages[i][t], wherever u*stride + t < length.
 *
 * A zero weight skips its message for that row.  Without any message the output becomes zero.  With
 * GC_ACCUMULATE the sum is completed first and then added to the output, so that it is rounded at its own size
 * and not at that of the output.  Products are added in the order of i.
 *
 * @param weights     parts*n_messages elements, row u for block u
 * @param n_messages  number of messages, may be 0
 * @param parts       number of blocks in the output, at least 1
 * @param stride      elements per block and in each message; parts*stride >= length
 * @param messages    n_messages pointers to `stride` elements each
 * @param length      elements in the output
 * @param out         `length` elements
 * @param flags       0 or GC_ACCUMULATE
 * @pre The output overlaps no input; all buffers are aligned to their element type.
 */
GC_API int gc_decode_f32(const float *weights, size_t n_messages, size_t parts, size_t stride,
                         const float *const *messages, size_t length, float *out, unsigned flags);
/** As gc_decode_f32, in double precision. */
GC_API int gc_decode_f64(const double *weights, size_t n_messages, size_t parts, size_t stride,
                         const double *const *messages, size_t length, double *out, unsigned flags);

#ifdef __cplusplus
}
#endif

#endif
