/* Weighted sum of streams over one block, in portable C that compilers vectorise.
 *
 * Included once per element type by a kernel file, which defines REAL and GC_LOCAL(name).  Streams are taken four
 * at a time, so that the block is loaded and stored once per four of them.  Each product is added in the order
 * of the streams, one after the other, so that the result does not depend on how they fall into fours. */

struct GC_LOCAL(sum) {
    REAL *y;             /* the block */
    size_t size;         /* its elements */
    bool fresh;          /* y holds nothing yet: the first products overwrite it */
    size_t count;        /* streams waiting in x and c */
    const REAL *x[4];
    REAL c[4];
};

static inline void GC_LOCAL(flush)(struct GC_LOCAL(sum) *sum)
{
    REAL *restrict y = sum->y;
    const REAL *x0 = sum->x[0], *x1 = sum->x[1], *x2 = sum->x[2], *x3 = sum->x[3];
    const REAL c0 = sum->c[0], c1 = sum->c[1], c2 = sum->c[2], c3 = sum->c[3];
    const size_t size = sum->size;

    switch (sum->count) {
    case 0:
        return;
    case 1:
        if (sum->fresh)
            for (size_t t = 0; t < size; t++) y[t] = c0 * x0[t];
        else
            for (size_t t = 0; t < size; t++) y[t] = y[t] + c0 * x0[t];
        break;
    case 2:
        if (sum->fresh)
            for (size_t t = 0; t < size; t++) y[t] = c0 * x0[t] + c1 * x1[t];
        else
            for (size_t t = 0; t < size; t++) y[t] = y[t] + c0 * x0[t] + c1 * x1[t];
        break;
    case 3:
        if (sum->fresh)
            for (size_t t = 0; t < size; t++) y[t] = c0 * x0[t] + c1 * x1[t] + c2 * x2[t];
        else
            for (size_t t = 0; t < size; t++) y[t] = y[t] + c0 * x0[t] + c1 * x1[t] + c2 * x2[t];
        break;
    default:
        if (sum->fresh)
            for (size_t t = 0; t < size; t++) y[t] = c0 * x0[t] + c1 * x1[t] + c2 * x2[t] + c3 * x3[t];
        else
            for (size_t t = 0; t < size; t++) y[t] = y[t] + c0 * x0[t] + c1 * x1[t] + c2 * x2[t] + c3 * x3[t];
        break;
    }
    sum->fresh = false;
    sum->count = 0;
}

static inline void GC_LOCAL(zero_if_fresh)(struct GC_LOCAL(sum) *sum)
{
    if (sum->fresh)
        for (size_t t = 0; t < sum->size; t++) sum->y[t] = 0;
    sum->fresh = false;
}

static inline struct GC_LOCAL(sum) GC_LOCAL(begin)(REAL *y, size_t size, bool fresh)
{
    return (struct GC_LOCAL(sum)){.y = y, .size = size, .fresh = fresh};
}

/* Add c * x, where x has as many elements as the block. */
static inline void GC_LOCAL(add)(struct GC_LOCAL(sum) *sum, REAL c, const REAL *x)
{
    sum->c[sum->count] = c;
    sum->x[sum->count] = x;
    if (++sum->count == 4)
        GC_LOCAL(flush)(sum);
}

/* Add c * x, where x ends before the block does. */
static inline void GC_LOCAL(add_short)(struct GC_LOCAL(sum) *sum, REAL c, const REAL *x, size_t size)
{
    GC_LOCAL(flush)(sum);
    GC_LOCAL(zero_if_fresh)(sum);
    for (size_t t = 0; t < size; t++) sum->y[t] += c * x[t];
}

static inline void GC_LOCAL(finish)(struct GC_LOCAL(sum) *sum)
{
    GC_LOCAL(flush)(sum);
    GC_LOCAL(zero_if_fresh)(sum);
}
