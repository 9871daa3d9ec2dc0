/* Decode for one element type; the includer defines REAL, GC_LOCAL(name), GC_KERNEL and GC_BLOCK. */

void GC_KERNEL(const REAL *weights, size_t n_messages, size_t parts, size_t stride,
               const REAL *const *messages, size_t length, REAL *out, bool accumulate)
{
    REAL group[GC_BLOCK]; /* with accumulate: the sum of this call, complete before it meets `out` */

    for (size_t start = 0; start < stride; start += GC_BLOCK) {
        for (size_t u = 0; u < parts; u++) {
            const size_t offset = u * stride + start;
            if (offset >= length)
                break;
            const size_t size = gc_min(gc_min(GC_BLOCK, stride - start), length - offset);
            REAL *restrict row = out + offset;
            struct GC_LOCAL(sum) sum = GC_LOCAL(begin)(accumulate ? group : row, size, true);

            for (size_t i = 0; i < n_messages; i++) {
                const REAL w = weights[u * n_messages + i];
                if (w != 0)
                    GC_LOCAL(add)(&sum, w, messages[i] + start);
            }
            GC_LOCAL(finish)(&sum);
            if (accumulate)
                for (size_t t = 0; t < size; t++) row[t] += group[t];
        }
    }
}
