/* The threads of one call.  They are OpenMP's, so that limits on OpenMP (threadpoolctl) apply. */
#include <stdatomic.h>

#include "gc_internal.h"

#ifdef _OPENMP
#include <omp.h>
#include <pthread.h>
#endif

static _Atomic int default_threads = 1;

/* Each thread gets a multiple of this many positions. */
#define GC_CHUNK ((size_t)1024)

int gc_threads_default(void) { return atomic_load_explicit(&default_threads, memory_order_relaxed); }

int gc_threads_set_default(int num_threads)
{
    if (num_threads < 1)
        return GC_ERR_THREADS;
    atomic_store_explicit(&default_threads, num_threads, memory_order_relaxed);
    return GC_OK;
}

#ifdef _OPENMP

/* OpenMP's threads do not survive a fork; GNU's OpenMP would wait for them for ever. */
static _Atomic int forked = 0;

static void in_child(void) { atomic_store_explicit(&forked, 1, memory_order_relaxed); }

__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(NULL, NULL, in_child); }

int gc_threads_available(void) { return !atomic_load_explicit(&forked, memory_order_relaxed); }

int gc_threads_for(size_t bytes, int num_threads)
{
    const int wanted = num_threads > 0 ? num_threads : gc_threads_default();
    if (wanted <= 1 || bytes < 2 * GC_BYTES_PER_THREAD || !gc_threads_available())
        return 1;
    const size_t allowed = (size_t)omp_get_max_threads();
    return (int)gc_min(gc_min((size_t)wanted, allowed), bytes / GC_BYTES_PER_THREAD);
}

void gc_threads_run(gc_kernel *kernel, const struct gc_plan *plan, const void *const *buffers, void *out,
                    bool accumulate, int threads)
{
#pragma omp parallel num_threads(threads)
    {
        /* OpenMP may give fewer threads than asked for. */
        const size_t n = (size_t)omp_get_num_threads(), i = (size_t)omp_get_thread_num();
        const size_t chunks = (plan->stride + GC_CHUNK - 1) / GC_CHUNK, each = chunks / n, more = chunks % n;
        const size_t first = i * each + gc_min(i, more), last = first + each + (i < more);
        if (first < last)
            kernel(plan, buffers, out, accumulate, first * GC_CHUNK, gc_min(last * GC_CHUNK, plan->stride));
    }
}

#else

int gc_threads_available(void) { return 0; }

int gc_threads_for(size_t bytes, int num_threads)
{
    (void)bytes, (void)num_threads;
    return 1;
}

void gc_threads_run(gc_kernel *kernel, const struct gc_plan *plan, const void *const *buffers, void *out,
                    bool accumulate, int threads)
{
    (void)threads;
    kernel(plan, buffers, out, accumulate, 0, plan->stride);
}

#endif
