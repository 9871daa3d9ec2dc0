/* Declarations shared by the C files.  Not installed.
 *
 * A plan (gc_plan.c) turns coefficients into tiles: rows of the result that combine the same streams.  The entries
 * (gc_entry.c) check the arguments, choose a level (gc_level.c) and the threads (gc_threads.c), and each level runs
 * the plan over a stretch of the positions t in [0, stride) (gc_kernel_body.h). */
#ifndef GC_INTERNAL_H
#define GC_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gradcode.h"

/* The most rows of a tile: a vector of a stream is loaded once for all of them. */
#define GC_MAX_ROWS 8

/* A call without a prepared plan puts its plan on the stack up to this size. */
#define GC_STACK_PLAN_BYTES ((size_t)16384)

/* One input of the sums; its element t is buffers[buffer][offset + t]. */
struct gc_stream {
    size_t buffer, offset;
};

/* Rows of the result with nonzero weights for the same streams. */
struct gc_tile {
    size_t rows;                     /* at most GC_MAX_ROWS */
    size_t n;                        /* streams, may be 0 */
    const struct gc_stream *streams;
    const void *weights;             /* `rows` for each stream, in the order of the streams */
    size_t row[GC_MAX_ROWS];         /* element t of row r is out[row[r] + t] */
    bool same_streams;               /* the same as those of the tile before */
};

/* Positions [start, end) at which the same rows and streams exist. */
struct gc_segment {
    size_t start, end;
    size_t n_tiles;
    const struct gc_tile *tiles;
};

/* Types of input, arithmetic and output. */
enum gc_op { GC_OP_F32, GC_OP_F64, GC_OP_TO_F16, GC_OP_TO_BF16, GC_OP_FROM_F16, GC_OP_FROM_BF16, GC_N_OPS };

struct gc_plan {
    enum gc_op op;
    size_t n_buffers;
    size_t in_size, out_size;        /* elements in each buffer and in the result */
    size_t stride;
    size_t bytes;                    /* read and written by a run */
    size_t n_segments;
    struct gc_segment segments[2];
};

/* Run a plan for positions [start, end); the arguments have been checked. */
typedef void gc_kernel(const struct gc_plan *plan, const void *const *buffers, void *out, bool accumulate, size_t start,
                       size_t end);

/* The kernels of a level, by enum gc_op. */
extern gc_kernel *const gc_kernels_base[GC_N_OPS];
extern gc_kernel *const gc_kernels_neon[GC_N_OPS];
extern gc_kernel *const gc_kernels_avx2[GC_N_OPS];
extern gc_kernel *const gc_kernels_avx512[GC_N_OPS];

/* The kernels of the level in use. */
gc_kernel *const *gc_level_kernels(void);

/* Prepare a plan in `memory` if that is large enough, else in new memory.  *plan points to the plan. */
int gc_plan_make(struct gc_plan **plan, void *memory, size_t memory_size, enum gc_op op, bool encode, const void *table,
                 size_t n, size_t parts, size_t stride, size_t length);

/* Run a kernel over [0, plan->stride) in several threads. */
void gc_threads_run(gc_kernel *kernel, const struct gc_plan *plan, const void *const *buffers, void *out,
                    bool accumulate, int threads);

static inline size_t gc_min(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t gc_max(size_t a, size_t b) { return a > b ? a : b; }

#endif
