/* All kernels of one level.  Included by the level's file after the vector operations, which are functions named
 * gc_<operation>_<type>, and after GC_LEVEL (its name), GC_TARGET (its instruction set) and the shapes of strips: at
 * most GC_MAX_MU rows, of GC_WIDTH_<rows> vectors. */
#include <string.h>

#include "gc_internal.h"
#include "gc_unroll.h"

/* Streams combined at a time. */
#define PASS ((size_t)128)
/* More than this does not fit in the caches of one core: results are written past them. */
#define GC_LARGE_BYTES ((size_t)6 << 20)
/* Below this, aligning the rows of the result costs more than it saves. */
#define GC_SMALL_BYTES ((size_t)32 << 10)
/* The hardware's prefetcher follows fewer streams than GC_AHEAD_STREAMS.  From there on, software prefetches one stream
 * after the other: two blocks of all streams take at most GC_AHEAD_BYTES, one block at most GC_AHEAD_BLOCK_BYTES. */
#define GC_AHEAD_STREAMS 15
#define GC_AHEAD_BYTES ((size_t)200 << 10)
#define GC_AHEAD_BLOCK_BYTES ((size_t)6144)
/* With at most GC_LONG_ROWS rows, many streams are summed in passes of at most GC_LONG_PASS instead. */
#define GC_LONG_STREAMS 14
#define GC_LONG_ROWS 2
#define GC_LONG_PASS ((size_t)8)
/* The size of a block of streams that is read several times. */
#define GC_RESIDENT_BYTES ((size_t)256 << 10)
/* The buffer for the sums of earlier streams. */
#define GC_PARTIAL_BYTES ((size_t)128 << 10)

#define MAX_WIDTH GC_WIDTH_1

/* What a strip does with its sums: keep them for later streams, write them, write them past the caches, or add them. */
enum gc_mode { KEEP, WRITE, STREAM, ADD };

/* memcpy of at most 64 bytes, without the cost of a call of the library. */
static inline void copy_short(void *to, const void *from, size_t n)
{
    char *const t = to;
    const char *const f = from;

    if (n >= 32) {
        memcpy(t, f, 32);
        memcpy(t + n - 32, f + n - 32, 32);
    } else if (n >= 16) {
        memcpy(t, f, 16);
        memcpy(t + n - 16, f + n - 16, 16);
    } else if (n >= 8) {
        memcpy(t, f, 8);
        memcpy(t + n - 8, f + n - 8, 8);
    } else if (n >= 4) {
        memcpy(t, f, 4);
        memcpy(t + n - 4, f + n - 4, 4);
    } else if (n >= 2) {
        memcpy(t, f, 2);
        memcpy(t + n - 2, f + n - 2, 2);
    }
}

#define ZERO GC_PASTE(gc_zero_, REAL_NAME)
#define BROADCAST GC_PASTE(gc_broadcast_, REAL_NAME)
#define LOAD GC_PASTE(gc_load_, REAL_NAME)
#define STORE GC_PASTE(gc_store_, REAL_NAME)
#define FMA GC_PASTE(gc_fma_, REAL_NAME)
#define SUM GC_PASTE(gc_sum_, REAL_NAME)
#define LANES ((size_t)GC_PASTE(GC_LANES_, REAL_NAME))
#define VEC GC_PASTE(gc_vector_, REAL_NAME)
#define LOAD_IN GC_PASTE(gc_load_, IN_NAME)
#define STORE_OUT GC_PASTE(gc_store_, OUT_NAME)
#define STREAM_OUT GC_PASTE(gc_stream_, OUT_NAME)

#define LOCAL(name) name##_f32
#define REAL float
#define REAL_NAME f32
#define IN float
#define IN_NAME f32
#define OUT float
#define OUT_NAME f32
#define MAX_MU GC_MAX_MU
#include "gc_kernel_body.h"

#undef LOCAL
#undef IN
#undef IN_NAME
#define LOCAL(name) name##_from_f16
#define IN uint16_t
#define IN_NAME f16
#include "gc_kernel_body.h"

#undef LOCAL
#undef IN_NAME
#define LOCAL(name) name##_from_bf16
#define IN_NAME bf16
#include "gc_kernel_body.h"

#undef LOCAL
#undef IN
#undef IN_NAME
#undef OUT
#undef OUT_NAME
#undef MAX_MU
#define LOCAL(name) name##_to_f16
#define IN float
#define IN_NAME f32
#define OUT uint16_t
#define OUT_NAME f16
#define MAX_MU 1 /* a message is one row */
#include "gc_kernel_body.h"

#undef LOCAL
#undef OUT_NAME
#define LOCAL(name) name##_to_bf16
#define OUT_NAME bf16
#include "gc_kernel_body.h"

#undef LOCAL
#undef REAL
#undef REAL_NAME
#undef IN
#undef IN_NAME
#undef OUT
#undef OUT_NAME
#undef MAX_MU
#define LOCAL(name) name##_f64
#define REAL double
#define REAL_NAME f64
#define IN double
#define IN_NAME f64
#define OUT double
#define OUT_NAME f64
#define MAX_MU GC_MAX_MU
#include "gc_kernel_body.h"

gc_kernel *const GC_PASTE(gc_kernels_, GC_LEVEL)[GC_N_OPS] = {
    [GC_OP_F32] = run_f32,         [GC_OP_F64] = run_f64,           [GC_OP_TO_F16] = run_to_f16,
    [GC_OP_TO_BF16] = run_to_bf16, [GC_OP_FROM_F16] = run_from_f16, [GC_OP_FROM_BF16] = run_from_bf16,
};
