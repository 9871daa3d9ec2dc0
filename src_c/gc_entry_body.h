/* The public entries for one element type.  Included once per type by gc_dispatch.c, which defines
 * REAL, GC_ENTRY(op) (name of the entry) and GC_FIELD(op) (its member in struct gc_kernels). */

static int GC_ENTRY(check_pointers)(const REAL *coefficients, size_t n, const REAL *const *buffers, size_t in_size,
                                    const REAL *out, size_t out_size)
{
    if ((n > 0 && (!coefficients || !buffers)) || (out_size > 0 && !out))
        return GC_ERR_NULL;
    for (size_t i = 0; i < n; i++)
        if (in_size > 0 && !buffers[i])
            return GC_ERR_NULL;
    return GC_OK;
}

int GC_ENTRY(encode)(const REAL *coefficients, size_t n_gradients, size_t parts, size_t stride,
                     const REAL *const *gradients, size_t length, REAL *message, unsigned flags)
{
    int status = check_sizes(n_gradients, parts, stride, length, sizeof(REAL), flags);
    if (status == GC_OK)
        status = GC_ENTRY(check_pointers)(coefficients, n_gradients, gradients, length, message, stride);
    if (status == GC_OK)
        kernels[gc_level_current()].GC_FIELD(encode)(coefficients, n_gradients, parts, stride, gradients, length,
                                                     message, flags & GC_ACCUMULATE);
    return status;
}

int GC_ENTRY(decode)(const REAL *weights, size_t n_messages, size_t parts, size_t stride,
                     const REAL *const *messages, size_t length, REAL *out, unsigned flags)
{
    int status = check_sizes(n_messages, parts, stride, length, sizeof(REAL), flags);
    if (status == GC_OK)
        status = GC_ENTRY(check_pointers)(weights, n_messages, messages, stride, out, length);
    if (status == GC_OK)
        kernels[gc_level_current()].GC_FIELD(decode)(weights, n_messages, parts, stride, messages, length, out,
                                                     flags & GC_ACCUMULATE);
    return status;
}
