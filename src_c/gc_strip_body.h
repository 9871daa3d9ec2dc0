/* A strip: MU rows of the result over a stretch of positions, NV vectors of every row at a time in registers.
 *
 * Included for each shape by gc_strips.h, which defines MU, NV, STRIP (the function's name) and AHEAD: whether to
 * prefetch the next block, stream after stream, while this one is combined.  The
 * hardware's prefetcher cannot follow many streams that are read in step; it can follow a few kilobytes of one. */

static GC_TARGET void STRIP(const struct LOCAL(job) *job, size_t t, const size_t end)
{
    const size_t n = job->n, weights_stride = job->weights_stride;
    const REAL *const weights = job->weights;
    const IN *const *const x = job->x;
#if AHEAD
    const size_t groups = job->block / (NV * LANES); /* steps below that prefetch the block of one stream */
    size_t stream = 0, left = groups;
    const char *ahead = (const char *)((uintptr_t)x[0] + job->next * sizeof(IN));
#endif

    for (; t < end; t += NV * LANES) {
#define DECLARE(r, v) VEC a##r##_##v;
#define DECLARE_ROW(r) GC_CELLS(NV)(DECLARE, r)
        GC_EACH(MU)(DECLARE_ROW)
        if (job->partial) {
#define LOAD_PARTIAL(r, v) a##r##_##v = LOAD(partial + v * LANES);
#define LOAD_PARTIAL_ROW(r)                                                                                        \
    {                                                                                                              \
        const REAL *const partial = job->partial + r * job->partial_stride + (t - job->partial_start);             \
        GC_CELLS(NV)(LOAD_PARTIAL, r)                                                                              \
    }
            GC_EACH(MU)(LOAD_PARTIAL_ROW)
        } else {
#define CLEAR(r, v) a##r##_##v = ZERO();
#define CLEAR_ROW(r) GC_CELLS(NV)(CLEAR, r)
            GC_EACH(MU)(CLEAR_ROW)
        }
        const REAL *w = weights;
        for (size_t k = 0; k < n; k++, w += weights_stride) {
            const IN *const xk = x[k] + t;
#define LOAD_STREAM(v) const VEC x##v = LOAD_IN(xk + v * LANES);
            GC_EACH(NV)(LOAD_STREAM)
#define COMBINE(r, v) a##r##_##v = FMA(weight, x##v, a##r##_##v);
#define COMBINE_ROW(r)                                                                                             \
    {                                                                                                              \
        const VEC weight = BROADCAST(w + r);                                                                       \
        GC_CELLS(NV)(COMBINE, r)                                                                                   \
    }
            GC_EACH(MU)(COMBINE_ROW)
#if AHEAD
            for (size_t byte = 0; byte < NV * LANES * sizeof(IN); byte += 64)
                __builtin_prefetch(ahead + byte, 0, 2); /* to the second level; to the first is slower than none */
            ahead += NV * LANES * sizeof(IN);
            if (--left == 0) {
                left = groups;
                ahead = (const char *)((uintptr_t)x[++stream] + job->next * sizeof(IN));
            }
#endif
        }
        const size_t at = t - job->start;
        switch (job->mode) {
        case KEEP: {
#define PUT_KEEP(r, v) STORE((REAL *)job->rows[r] + at + v * LANES, a##r##_##v);
#define PUT_KEEP_ROW(r) GC_CELLS(NV)(PUT_KEEP, r)
            GC_EACH(MU)(PUT_KEEP_ROW)
            break;
        }
        case WRITE: {
#define PUT_WRITE(r, v) STORE_OUT((OUT *)job->rows[r] + at + v * LANES, a##r##_##v);
#define PUT_WRITE_ROW(r) GC_CELLS(NV)(PUT_WRITE, r)
            GC_EACH(MU)(PUT_WRITE_ROW)
            break;
        }
        case STREAM: {
#define PUT_STREAM(r, v) STREAM_OUT((OUT *)job->rows[r] + at + v * LANES, a##r##_##v);
#define PUT_STREAM_ROW(r) GC_CELLS(NV)(PUT_STREAM, r)
            GC_EACH(MU)(PUT_STREAM_ROW)
            break;
        }
        case ADD: {
#define PUT_ADD(r, v)                                                                                              \
    STORE((REAL *)job->rows[r] + at + v * LANES, SUM(LOAD((REAL *)job->rows[r] + at + v * LANES), a##r##_##v));
#define PUT_ADD_ROW(r) GC_CELLS(NV)(PUT_ADD, r)
            GC_EACH(MU)(PUT_ADD_ROW)
            break;
        }
        }
    }
}

#undef DECLARE
#undef DECLARE_ROW
#undef LOAD_PARTIAL
#undef LOAD_PARTIAL_ROW
#undef CLEAR
#undef CLEAR_ROW
#undef LOAD_STREAM
#undef COMBINE
#undef COMBINE_ROW
#undef PUT_KEEP
#undef PUT_KEEP_ROW
#undef PUT_WRITE
#undef PUT_WRITE_ROW
#undef PUT_STREAM
#undef PUT_STREAM_ROW
#undef PUT_ADD
#undef PUT_ADD_ROW
