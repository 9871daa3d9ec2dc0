/* Turn coefficients into tiles: rows of the result that share their streams, with the weights in the order in which
 * the kernels read them.  Zero weights are dropped here, so that the kernels never test for them. */
#include <stdlib.h>
#include <string.h>

#include "gc_internal.h"

/* The coefficients: one weight for each row of the result and each stream. */
struct problem {
    const char *table;
    size_t itemsize;
    size_t rows, columns;   /* of the table: streams are its columns, or all of its elements for an encode */
    size_t stride;
    bool encode;
    size_t live_rows;       /* rows, or parts of a gradient, that exist in the segment */
};

static const char *at(const struct problem *p, size_t row, size_t column)
{
    return p->table + (row * p->columns + column) * p->itemsize;
}

/* Whether a weight is not zero; -0 is zero. */
static bool is_set(const struct problem *p, size_t row, size_t column)
{
    const char *const value = at(p, row, column);
    return p->itemsize == sizeof(float) ? *(const float *)value != 0 : *(const double *)value != 0;
}

/* Copy a weight; a memcpy of a size unknown to the compiler would call the library for each. */
static void copy_weight(const struct problem *p, void *to, const char *from)
{
    if (p->itemsize == sizeof(float))
        memcpy(to, from, sizeof(float));
    else
        memcpy(to, from, sizeof(double));
}

static bool same_support(const struct problem *p, size_t a, size_t b)
{
    for (size_t i = 0; i < p->columns; i++)
        if (is_set(p, a, i) != is_set(p, b, i))
            return false;
    return true;
}

/* The unused memory of a plan; `most_bytes` has computed how much the plan can need. */
struct arena {
    char *next;
};

static void *take(struct arena *arena, size_t n, size_t size)
{
    void *const memory = arena->next;
    arena->next += (n * size + 15) / 16 * 16;
    return memory;
}

/* An upper bound on the bytes of tiles, streams and weights in both segments; 0 if it does not fit in size_t. */
static size_t most_bytes(size_t rows, size_t weights)
{
    const size_t per_row = sizeof(struct gc_tile) + 3 * 16;
    const size_t per_weight = sizeof(struct gc_stream) + sizeof(double);

    if (rows > SIZE_MAX / 8 / per_row || weights > SIZE_MAX / 8 / per_weight)
        return 0;
    return 2 * (rows * per_row + weights * per_weight);
}

/* The tile of an encode: one row, and a stream for each block of each gradient. */
static void encode_tile(const struct problem *p, struct arena *arena, struct gc_tile *tile)
{
    struct gc_stream *const streams = take(arena, p->rows * p->columns, sizeof *streams);
    char *const weights = take(arena, p->rows * p->columns, p->itemsize);
    size_t n = 0;

    for (size_t j = 0; j < p->rows; j++) {
        for (size_t u = 0; u < p->live_rows; u++) {
            if (!is_set(p, j, u))
                continue;
            streams[n] = (struct gc_stream){j, u * p->stride};
            copy_weight(p, weights + n * p->itemsize, at(p, j, u));
            n++;
        }
    }
    *tile = (struct gc_tile){.rows = 1, .n = n, .streams = streams, .weights = weights};
}

/* Make the tiles of a decode for the rows members[0..count-1], which have the same nonzero columns; return how many. */
static size_t decode_tiles(const struct problem *p, struct arena *arena, struct gc_tile *tiles, const size_t *members,
                           size_t count)
{
    const size_t n_tiles = (count + GC_MAX_ROWS - 1) / GC_MAX_ROWS;
    struct gc_stream *const streams = take(arena, p->columns, sizeof *streams);
    size_t n = 0;

    for (size_t i = 0; i < p->columns; i++)
        if (is_set(p, members[0], i))
            streams[n++] = (struct gc_stream){i, 0};
    for (size_t tile = 0; tile < n_tiles; tile++) {
        const size_t first = count * tile / n_tiles, rows = count * (tile + 1) / n_tiles - first;
        char *weights = take(arena, n * rows, p->itemsize);

        tiles[tile] =
            (struct gc_tile){.rows = rows, .n = n, .streams = streams, .weights = weights, .same_streams = tile > 0};
        for (size_t r = 0; r < rows; r++) tiles[tile].row[r] = members[first + r] * p->stride;
        for (size_t k = 0; k < n; k++)
            for (size_t r = 0; r < rows; r++, weights += p->itemsize)
                copy_weight(p, weights, at(p, members[first + r], streams[k].buffer));
    }
    return n_tiles;
}

static struct gc_segment make_segment(const struct problem *p, struct arena *arena, size_t start, size_t end)
{
    struct gc_tile *const tiles = take(arena, p->encode ? 1 : p->live_rows, sizeof *tiles);
    struct gc_segment segment = {.start = start, .end = end, .tiles = tiles};

    if (p->encode) {
        encode_tile(p, arena, tiles);
        segment.n_tiles = 1;
        return segment;
    }
    size_t *const members = take(arena, p->live_rows, sizeof *members);
    bool *const done = take(arena, p->live_rows, sizeof *done);
    memset(done, 0, p->live_rows * sizeof *done);
    for (size_t u = 0; u < p->live_rows; u++) {
        if (done[u])
            continue;
        size_t count = 0;
        for (size_t v = u; v < p->live_rows; v++)
            if (!done[v] && (v == u || same_support(p, u, v)))
                members[count++] = v, done[v] = true;
        segment.n_tiles += decode_tiles(p, arena, tiles + segment.n_tiles, members, count);
    }
    return segment;
}

/* The size of the elements of streams and of the result. */
static size_t in_bytes(enum gc_op op)
{
    return op == GC_OP_F64 ? 8 : op == GC_OP_FROM_F16 || op == GC_OP_FROM_BF16 ? 2 : 4;
}

static size_t out_bytes(enum gc_op op)
{
    return op == GC_OP_F64 ? 8 : op == GC_OP_TO_F16 || op == GC_OP_TO_BF16 ? 2 : 4;
}

static bool fits(size_t a, size_t b, size_t itemsize) { return b == 0 || a <= SIZE_MAX / 4 / itemsize / b; }

int gc_plan_make(struct gc_plan **plan, void *memory, size_t memory_size, enum gc_op op, bool encode, const void *table,
                 size_t n, size_t parts, size_t stride, size_t length)
{
    if (parts == 0)
        return GC_ERR_PARTS;
    if (!fits(parts, stride, 8) || !fits(n, parts, 8) || !fits(n, length, 8) || !fits(n, stride, 8))
        return GC_ERR_OVERFLOW;
    if (parts * stride < length)
        return GC_ERR_SIZE;
    if (n > 0 && !table)
        return GC_ERR_NULL;

    const size_t most = most_bytes(parts, n * parts);
    if (most == 0)
        return GC_ERR_OVERFLOW;
    const size_t size = (sizeof(struct gc_plan) + 15) / 16 * 16 + most;
    if (size > memory_size) {
        memory = malloc(size);
        if (!memory)
            return GC_ERR_MEMORY;
    }
    struct gc_plan *const made = memory;
    struct arena arena = {(char *)memory + (sizeof *made + 15) / 16 * 16};
    *made = (struct gc_plan){.op = op,
                             .n_buffers = n,
                             .in_size = encode ? length : stride,
                             .out_size = encode ? stride : length,
                             .stride = stride};
    made->bytes = n * made->in_size * in_bytes(op) + made->out_size * out_bytes(op);

    /* Positions below `boundary` exist in the last block too; the others only in the blocks before it. */
    const size_t full = stride ? length / stride : 0, boundary = stride ? length % stride : 0;
    struct problem problem = {.table = table,
                              .itemsize = op == GC_OP_F64 ? sizeof(double) : sizeof(float),
                              .rows = encode ? n : parts,
                              .columns = encode ? parts : n,
                              .stride = stride,
                              .encode = encode};
    if (boundary > 0) {
        problem.live_rows = full + 1;
        made->segments[made->n_segments++] = make_segment(&problem, &arena, 0, boundary);
    }
    problem.live_rows = full;
    if (boundary < stride && (full > 0 || encode))
        made->segments[made->n_segments++] = make_segment(&problem, &arena, boundary, stride);
    *plan = made;
    return GC_OK;
}
