/* Encode for one element type; the includer defines REAL, GC_LOCAL(name), GC_KERNEL and GC_BLOCK. */

void GC_KERNEL(const REAL *coefficients, size_t n_gradients, size_t parts, size_t stride,
               const REAL *const *gradients, size_t length, REAL *message, bool accumulate)
{
    for (size_t start = 0; start < stride; start += GC_BLOCK) {
        const size_t size = gc_min(GC_BLOCK, stride - start);
        struct GC_LOCAL(sum) sum = GC_LOCAL(begin)(message + start, size, !accumulate);

        for (size_t j = 0; j < n_gradients; j++) {
            for (size_t u = 0; u < parts; u++) {
                const size_t offset = u * stride + start;
                if (offset >= length)
                    break; /* nor do the later parts of this gradient reach here */
                const REAL c = coefficients[j * parts + u];
                if (c == 0)
                    continue;
                if (length - offset >= size)
                    GC_LOCAL(add)(&sum, c, gradients[j] + offset);
                else
                    GC_LOCAL(add_short)(&sum, c, gradients[j] + offset, length - offset);
            }
        }
        GC_LOCAL(finish)(&sum);
    }
}
