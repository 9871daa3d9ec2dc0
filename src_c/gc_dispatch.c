/* Choice of the kernel variant, and the public entries: check the arguments, then jump. */
#include <stdatomic.h>
#include <stdint.h>

#include "gc_internal.h"

struct gc_kernels {
    const char *name;
    gc_kernel_f32 *encode_f32, *decode_f32;
    gc_kernel_f64 *encode_f64, *decode_f64;
};

static const struct gc_kernels kernels[GC_N_LEVELS] = {
    [GC_LEVEL_BASE] = {
        .name = "base",
        .encode_f32 = gc_encode_f32_base,
        .decode_f32 = gc_decode_f32_base,
        .encode_f64 = gc_encode_f64_base,
        .decode_f64 = gc_decode_f64_base,
    },
};

/* Atomic because a level may be forced while another thread is about to call a kernel. */
static _Atomic int current = GC_LEVEL_BASE;

const char *gc_level_name(int level)
{
    return level >= 0 && level < GC_N_LEVELS ? kernels[level].name : NULL;
}

int gc_level_available(int level)
{
    return level == GC_LEVEL_BASE;
}

int gc_level_current(void)
{
    return atomic_load_explicit(&current, memory_order_relaxed);
}

int gc_level_force(int level)
{
    if (!gc_level_available(level))
        return GC_ERR_LEVEL;
    atomic_store_explicit(&current, level, memory_order_relaxed);
    return GC_OK;
}

static bool fits(size_t a, size_t b, size_t itemsize)
{
    return b == 0 || a <= SIZE_MAX / itemsize / b;
}

static int check_sizes(size_t n, size_t parts, size_t stride, size_t length, size_t itemsize, unsigned flags)
{
    if (flags & ~(unsigned)GC_ACCUMULATE)
        return GC_ERR_FLAGS;
    if (parts == 0)
        return GC_ERR_PARTS;
    if (!fits(parts, stride, itemsize) || !fits(n, parts, itemsize))
        return GC_ERR_OVERFLOW;
    return parts * stride < length ? GC_ERR_SIZE : GC_OK;
}

#define REAL float
#define GC_ENTRY(op) gc_##op##_f32
#define GC_FIELD(op) op##_f32
#include "gc_entry_body.h"
#undef REAL
#undef GC_ENTRY
#undef GC_FIELD

#define REAL double
#define GC_ENTRY(op) gc_##op##_f64
#define GC_FIELD(op) op##_f64
#include "gc_entry_body.h"
