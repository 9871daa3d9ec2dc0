/* One kernel, for one level and one combination of types: it cuts a plan into strips.
 *
 * Included by gc_level_body.h, which defines
 *   LOCAL(name)                           names of this kernel, among them LOCAL(run)
 *   REAL, IN, OUT                         types of the arithmetic, the streams and the result
 *   VEC, LANES                            the vector of REAL and its elements
 *   ZERO, BROADCAST, LOAD, STORE, FMA, SUM   on VEC and REAL
 *   LOAD_IN, STORE_OUT, STREAM_OUT        on VEC, converting
 *   MAX_MU                                the most rows of a strip
 *
 * Every element of the result is the same chain of additions, one stream after the other, at any position: the ends
 * of a row go through the same vectors as its middle, in a small buffer. */

/* What a strip does.  All pointers to rows are to their element at position `start`. */
struct LOCAL(job) {
    size_t n;                    /* streams */
    const REAL *weights;         /* of the first of them */
    size_t weights_stride;       /* from one stream to the next */
    const IN *x[PASS + 1];       /* the streams; one more, since prefetching looks up the one after the last */
    const REAL *partial;         /* if not null: sums of earlier streams, at position partial_start */
    size_t partial_stride, partial_start;
    void *rows[GC_MAX_ROWS];     /* of REAL to KEEP, of OUT otherwise */
    size_t start;
    enum gc_mode mode;
    size_t block, next;          /* what to prefetch: `block` elements from position `next` on */
};

typedef void LOCAL(strip)(const struct LOCAL(job) *job, size_t t, size_t end);

#define MU 1
#include "gc_strips.h"
#if MAX_MU > 1
#define MU 2
#include "gc_strips.h"
#define MU 3
#include "gc_strips.h"
#define MU 4
#include "gc_strips.h"
#endif
#if MAX_MU > 4
#define MU 5
#include "gc_strips.h"
#define MU 6
#include "gc_strips.h"
#define MU 7
#include "gc_strips.h"
#define MU 8
#include "gc_strips.h"
#endif

static const struct {
    size_t width;                /* in vectors */
    LOCAL(strip) *full, *two, *one, *ahead;
} LOCAL(strips)[MAX_MU] = {
#define STRIPS_OF(mu)                                                                                              \
    {GC_WIDTH_##mu,                                                                                                \
     GC_PASTE(LOCAL(strip_), mu##_full),                                                                           \
     GC_PASTE(LOCAL(strip_), mu##_two),                                                                            \
     GC_PASTE(LOCAL(strip_), mu##_one),                                                                            \
     GC_PASTE(LOCAL(strip_), mu##_ahead)}
    STRIPS_OF(1),
#if MAX_MU > 1
    STRIPS_OF(2), STRIPS_OF(3), STRIPS_OF(4),
#endif
#if MAX_MU > 4
    STRIPS_OF(5), STRIPS_OF(6), STRIPS_OF(7), STRIPS_OF(8),
#endif
#undef STRIPS_OF
};

/* The rows of a tile that a strip takes, and how its streams are read. */
struct LOCAL(part) {
    const struct gc_tile *tile;
    const void *const *buffers;
    OUT *out;
    bool accumulate;
    size_t first, rows;          /* rows of the tile */
    size_t pass;                 /* streams at a time */
    size_t readable;             /* streams have elements [0, readable) */
};

/* Set the streams of the job: those from `stream` on, at most a pass; return how many. */
static inline size_t LOCAL(take)(struct LOCAL(job) *job, const struct LOCAL(part) *part, size_t stream)
{
    const struct gc_tile *const tile = part->tile;
    const struct gc_stream *const streams = tile->streams + stream;
    const size_t n = gc_min(part->pass, tile->n - stream);

    for (size_t k = 0; k < n; k++)
        job->x[k] = (const IN *)part->buffers[streams[k].buffer] + streams[k].offset;
    job->x[n] = n ? job->x[n - 1] : NULL;
    job->n = n;
    job->weights = (const REAL *)tile->weights + stream * tile->rows + part->first;
    job->weights_stride = tile->rows;
    return n;
}

/* Positions [start, end), fewer than those of a full strip, which begin or end within a vector.
 *
 * The strips that cover them may begin earlier or end later, where there is input.  If all that a strip covers lies
 * within [mine, end), it writes to the result, and computes some of it twice; otherwise it writes to a buffer. */
static void LOCAL(edge)(const struct LOCAL(part) *part, size_t start, const size_t end, const size_t mine)
{
    REAL partial[GC_MAX_ROWS * MAX_WIDTH * LANES];
    OUT result[GC_MAX_ROWS * MAX_WIDTH * LANES];
    IN padded[PASS][LANES];
    struct LOCAL(job) job;
    const size_t full = LOCAL(strips)[part->rows - 1].width * LANES;
    const bool one_pass = part->tile->n <= part->pass, short_input = part->readable < LANES;

    if (one_pass)
        LOCAL(take)(&job, part, 0);
    while (start < end) {
        /* The narrowest strip that covers what is left. */
        LOCAL(strip) *strip = LOCAL(strips)[part->rows - 1].one;
        size_t size = LANES;
        if (size < end - start && 2 * LANES <= part->readable)
            strip = LOCAL(strips)[part->rows - 1].two, size = 2 * LANES;
        if (size < end - start && full <= part->readable)
            strip = LOCAL(strips)[part->rows - 1].full, size = full;
        const size_t from = short_input ? 0 : gc_min(start, part->readable - size);
        const bool direct = from >= mine && from + size <= end && !part->accumulate;

        job.partial = NULL;
        job.partial_stride = size;
        job.partial_start = from;
        for (size_t stream = 0;;) {
            stream += one_pass ? part->tile->n : LOCAL(take)(&job, part, stream);
            if (short_input) {
                for (size_t k = 0; k < job.n; k++) {
                    memset(padded[k], 0, sizeof padded[k]);
                    copy_short(padded[k], job.x[k], part->readable * sizeof(IN));
                    job.x[k] = padded[k];
                }
            }
            const bool last = stream == part->tile->n;
            job.mode = last ? WRITE : KEEP;
            job.start = last && direct ? 0 : from;
            for (size_t r = 0; r < part->rows; r++) {
                OUT *const row = part->out + part->tile->row[part->first + r];
                job.rows[r] = !last ? (void *)(partial + r * size) : direct ? (void *)row : (void *)(result + r * size);
            }
            strip(&job, from, from + size);
            if (last)
                break;
            job.partial = partial;
        }

        const size_t stop = gc_min(end, from + size), count = stop - start;
        for (size_t r = 0; r < part->rows && !direct; r++) {
            OUT *const row = part->out + part->tile->row[part->first + r] + start;
            const OUT *const sums = result + r * size + (start - from);
            if (part->accumulate)
                for (size_t t = 0; t < count; t++) row[t] += sums[t];
            else if (count <= LANES)
                copy_short(row, sums, count * sizeof(OUT));
            else
                memcpy(row, sums, count * sizeof(OUT));
        }
        start = stop;
    }
}

/* Positions [start, end) in whole strips of the full width; they prefetch blocks of `block` positions, 0 for none. */
static void LOCAL(middle)(const struct LOCAL(part) *part, size_t start, size_t end, bool stream_out, size_t block)
{
    struct LOCAL(job) job;
    LOCAL(strip) *const strip =
        block ? LOCAL(strips)[part->rows - 1].ahead : LOCAL(strips)[part->rows - 1].full;

    job.partial = NULL;
    job.start = 0;
    job.mode = part->accumulate ? ADD : stream_out ? STREAM : WRITE;
    job.block = block;
    job.next = end;
    LOCAL(take)(&job, part, 0);
    for (size_t r = 0; r < part->rows; r++) job.rows[r] = part->out + part->tile->row[part->first + r];
    strip(&job, start, end);
}

/* As `middle`, one pass of streams at a time; a buffer that stays in the cache keeps the sums of earlier passes. */
static void LOCAL(middle_in_passes)(const struct LOCAL(part) *part, size_t start, size_t end, bool stream_out,
                                    size_t block)
{
    REAL partial[GC_PARTIAL_BYTES / sizeof(REAL)];
    struct LOCAL(job) job;
    LOCAL(strip) *const strip =
        block ? LOCAL(strips)[part->rows - 1].ahead : LOCAL(strips)[part->rows - 1].full;

    job.partial = NULL;
    job.partial_stride = end - start;
    job.partial_start = start;
    job.block = block;
    job.next = end;
    for (size_t stream = 0; stream < part->tile->n;) {
        stream += LOCAL(take)(&job, part, stream);
        if (stream < part->tile->n) {
            job.start = start;
            job.mode = KEEP;
            for (size_t r = 0; r < part->rows; r++) job.rows[r] = partial + r * job.partial_stride;
        } else {
            job.start = 0;
            job.mode = part->accumulate ? ADD : stream_out ? STREAM : WRITE;
            for (size_t r = 0; r < part->rows; r++) job.rows[r] = part->out + part->tile->row[part->first + r];
        }
        strip(&job, start, end);
        job.partial = partial;
    }
}

/* The order in which a segment is computed. */
struct LOCAL(order) {
    size_t block;      /* positions that all tiles complete before the next block */
    size_t pass;       /* streams at a time */
    bool ahead;        /* prefetch the next block */
};

/* Choose blocks such that the first strip reads a block of the streams from memory, and all others from the cache.
 * A block is a whole number of strips of any width. */
static struct LOCAL(order) LOCAL(choose_order)(const struct gc_segment *segment, bool large, size_t size)
{
    const size_t unit = 24 * LANES;
    const bool one_strip = segment->n_tiles == 1 && segment->tiles[0].rows <= MAX_MU;
    size_t most = 1;

    for (size_t i = 0; i < segment->n_tiles; i++) most = gc_max(most, segment->tiles[i].n);
    if (large && one_strip && segment->tiles[0].rows <= GC_LONG_ROWS && most >= GC_LONG_STREAMS) {
        /* One or two rows take little arithmetic: a few streams at a time, over long blocks whose sums stay in the
         * cache, are faster than prefetching many streams. */
        const size_t passes = (most + GC_LONG_PASS - 1) / GC_LONG_PASS;
        const size_t block = GC_PARTIAL_BYTES / sizeof(REAL) / segment->tiles[0].rows;
        return (struct LOCAL(order)){.block = block / unit * unit, .pass = (most + passes - 1) / passes};
    }
    const bool ahead = large && most >= GC_AHEAD_STREAMS;
    size_t block = size;
    if (most > PASS)
        block = GC_PARTIAL_BYTES / sizeof(REAL) / MAX_MU / 4;
    else if (ahead)
        block = gc_min(GC_AHEAD_BYTES / sizeof(REAL) / most, GC_AHEAD_BLOCK_BYTES / sizeof(REAL));
    else if (!one_strip)
        block = GC_RESIDENT_BYTES / sizeof(IN) / most;
    else
        return (struct LOCAL(order)){.block = size, .pass = PASS};
    return (struct LOCAL(order)){.block = gc_max(block / unit, 1) * unit, .pass = PASS, .ahead = ahead};
}

/* Positions [start, end) of one segment. */
static void LOCAL(stretch)(const struct gc_plan *plan, const struct gc_segment *segment, const void *const *buffers,
                           OUT *out, bool accumulate, size_t start, const size_t end)
{
    const bool large = plan->bytes > GC_LARGE_BYTES;
    const struct LOCAL(order) order = LOCAL(choose_order)(segment, large, end - start);
    struct LOCAL(part) part = {.buffers = buffers,
                               .out = out,
                               .accumulate = accumulate,
                               .pass = order.pass,
                               .readable = segment->end};

    /* If all rows have the same alignment, they are written in whole vectors from the first aligned position on. */
    const bool alike = plan->out_size <= plan->stride || plan->stride % LANES == 0;
    const size_t misaligned = ((uintptr_t)(out + start) / sizeof(OUT)) % LANES;
    const bool align = alike && misaligned && plan->bytes > GC_SMALL_BYTES;
    const size_t head = align ? gc_min(LANES - misaligned, end - start) : 0;
    const bool stream_out = large && alike && !accumulate;

    for (size_t from = start, to; from < end; from = to) {
        const size_t aligned = from == start ? from + head : from;
        to = aligned + gc_min(order.block, end - aligned);
        for (size_t i = 0; i < segment->n_tiles; i++) {
            const struct gc_tile *const tile = part.tile = &segment->tiles[i];
            const size_t strips = (tile->rows + MAX_MU - 1) / MAX_MU;

            for (size_t s = 0; s < strips; s++) {
                part.first = s == 0 ? 0 : tile->rows * s / strips;
                part.rows = (s + 1 == strips ? tile->rows : tile->rows * (s + 1) / strips) - part.first;
                const size_t step = LOCAL(strips)[part.rows - 1].width * LANES;
                const size_t stop = aligned + (to - aligned) / step * step;
                const bool whole = stop - aligned == order.block && to < end;
                const bool ahead = order.ahead && whole && s == 0 && !tile->same_streams;

                if (aligned > from)
                    LOCAL(edge)(&part, from, aligned, from);
                if (stop > aligned)
                    (tile->n > part.pass ? LOCAL(middle_in_passes) : LOCAL(middle))(
                        &part, aligned, stop, stream_out, ahead ? order.block : 0);
                if (to > stop)
                    LOCAL(edge)(&part, stop, to, start);
            }
        }
    }
}

static void LOCAL(run)(const struct gc_plan *plan, const void *const *buffers, void *out, bool accumulate,
                       size_t start, size_t end)
{
    for (size_t i = 0; i < plan->n_segments; i++) {
        const struct gc_segment *const segment = &plan->segments[i];
        const size_t from = gc_max(start, segment->start), to = gc_min(end, segment->end);
        if (from < to)
            LOCAL(stretch)(plan, segment, buffers, out, accumulate, from, to);
    }
    if (plan->bytes > GC_LARGE_BYTES)
        FENCE(); /* orders the writes past the caches before what follows */
}
