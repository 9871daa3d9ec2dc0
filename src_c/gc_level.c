/* The levels: which instruction sets processor and operating system have, and which kernels are in use. */
#include <stdatomic.h>

#include "gc_internal.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

static const struct {
    const char *name;
    gc_kernel *const *kernels;   /* null if compiled for another processor */
} levels[GC_N_LEVELS] = {
    [GC_LEVEL_BASE] = {"base", gc_kernels_base},
#if defined(__aarch64__)
    [GC_LEVEL_NEON] = {"neon", gc_kernels_neon},
#else
    [GC_LEVEL_NEON] = {"neon", NULL},
#endif
#if defined(__x86_64__)
    [GC_LEVEL_AVX2] = {"avx2", gc_kernels_avx2},
    [GC_LEVEL_AVX512] = {"avx512", gc_kernels_avx512},
#else
    [GC_LEVEL_AVX2] = {"avx2", NULL},
    [GC_LEVEL_AVX512] = {"avx512", NULL},
#endif
};

/* The level in use; -1 until the first call.  Atomic: one thread may force a level while another calls a kernel. */
static _Atomic int current = -1;

#if defined(__x86_64__)
/* Whether the processor has the features of this level, and the system saves the registers that they need. */
static int has_level(int level)
{
    unsigned a, b, c, d, state, state_high;

    if (!__get_cpuid(1, &a, &b, &c, &d))
        return 0;
    const unsigned needed = bit_FMA | bit_F16C | bit_AVX | bit_OSXSAVE;
    if ((c & needed) != needed)
        return 0;
    __asm__("xgetbv" : "=a"(state), "=d"(state_high) : "c"(0));
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return 0;
    if (level == GC_LEVEL_AVX2)
        return (state & 0x06) == 0x06 && (b & bit_AVX2) != 0; /* the upper halves of ymm */
    const unsigned all = bit_AVX2 | bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    return (state & 0xe6) == 0xe6 && (b & all) == all; /* also the masks, and all of zmm */
}
#else
static int has_level(int level) { return level == GC_LEVEL_NEON; /* part of every 64-bit ARM processor */ }
#endif

const char *gc_level_name(int level) { return level >= 0 && level < GC_N_LEVELS ? levels[level].name : NULL; }

int gc_level_available(int level)
{
    if (level < 0 || level >= GC_N_LEVELS || !levels[level].kernels)
        return 0;
    return level == GC_LEVEL_BASE || has_level(level);
}

int gc_level_current(void)
{
    int level = atomic_load_explicit(&current, memory_order_relaxed);
    if (level < 0) {
        level = GC_N_LEVELS - 1;
        while (!gc_level_available(level)) level--;
        /* Another thread may have forced a level meanwhile: keep that. */
        int none = -1;
        if (!atomic_compare_exchange_strong(&current, &none, level))
            level = none;
    }
    return level;
}

int gc_level_force(int level)
{
    if (!gc_level_available(level))
        return GC_ERR_LEVEL;
    atomic_store_explicit(&current, level, memory_order_relaxed);
    return GC_OK;
}

gc_kernel *const *gc_level_kernels(void) { return levels[gc_level_current()].kernels; }
