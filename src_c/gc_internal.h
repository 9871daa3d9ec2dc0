/* Prototypes of the kernel variants, named gc_<op>_<type>_<level>.  Never installed.
 *
 * The public entries in gc_dispatch.c have checked the arguments before a variant is called. */
#ifndef GC_INTERNAL_H
#define GC_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "gradcode.h"

/* Encode and decode have one shape: a row-major coefficient table, `n` input buffers, one output. */
typedef void gc_kernel_f32(const float *coefficients, size_t n, size_t parts, size_t stride,
                           const float *const *buffers, size_t length, float *out, bool accumulate);
typedef void gc_kernel_f64(const double *coefficients, size_t n, size_t parts, size_t stride,
                           const double *const *buffers, size_t length, double *out, bool accumulate);

gc_kernel_f32 gc_encode_f32_base, gc_decode_f32_base;
gc_kernel_f64 gc_encode_f64_base, gc_decode_f64_base;

static inline size_t gc_min(size_t a, size_t b) { return a < b ? a : b; }

#endif
