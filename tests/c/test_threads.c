/* Threads of the kernels, and kernels in threads of others; the result does not depend on how many there are. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "check.h"
#include "gradcode.h"
#include "tests.h"

enum { PARTS = 3, MESSAGES = 7, CALLERS = 4 };

static const size_t stride = 123457, length = 3 * 123457 - 1001;
static const float *messages[MESSAGES];
static float weights[PARTS * MESSAGES];

static void make_data(void)
{
    for (size_t i = 0; i < PARTS * MESSAGES; i++) weights[i] = (float)random_value();
    for (size_t i = 0; i < MESSAGES; i++) {
        float *const message = malloc(stride * sizeof *message);
        CHECK(message);
        for (size_t t = 0; t < stride; t++) message[t] = (float)random_value();
        messages[i] = message;
    }
}

static float *decode(const gc_plan *plan, int num_threads)
{
    float *const out = malloc(length * sizeof *out);
    CHECK(out);
    memset(out, 0xff, length * sizeof *out);
    CHECK(gc_plan_run(plan, (const void *const *)messages, out, 0, num_threads) == GC_OK);
    return out;
}

static void numbers(void)
{
    const size_t large = (size_t)1 << 40;

    name_case("numbers of threads");
    CHECK(gc_threads_default() == 1);
    CHECK(gc_threads_set_default(0) == GC_ERR_THREADS && gc_threads_set_default(-1) == GC_ERR_THREADS);
    CHECK(gc_threads_default() == 1);
    CHECK(gc_threads_for(large, 0) == 1 && gc_threads_for(large, 1) == 1 && gc_threads_for(0, 8) == 1);
    CHECK(gc_threads_for(2 * GC_BYTES_PER_THREAD - 1, 8) == 1);
#ifdef _OPENMP
    CHECK(gc_threads_available() == 1);
    CHECK(gc_threads_for(2 * GC_BYTES_PER_THREAD, 8) == 2);
    CHECK(gc_threads_for(large, 3) == 3);
    CHECK(gc_threads_for(large, 1 << 20) == omp_get_max_threads());
    CHECK(gc_threads_set_default(2) == GC_OK && gc_threads_default() == 2);
    CHECK(gc_threads_for(large, 0) == 2 && gc_threads_for(large, 1) == 1);
    CHECK(gc_threads_set_default(1) == GC_OK);
#else
    CHECK(gc_threads_available() == 0 && gc_threads_for(large, 8) == 1);
#endif
}

/* Bit by bit as one thread does it: every element is one chain of additions. */
static void same_with_any_number(const gc_plan *plan)
{
    float *const one = decode(plan, 1);

    for (int n = 2; n <= 5; n++) {
        float *const several = decode(plan, n);
        name_case("%d threads, %s", n, gc_level_name(gc_level_current()));
        for (size_t i = 0; i < length; i++)
            if (one[i] != several[i])
                fail("element %zu is %.9g, and in one thread %.9g", i, several[i], one[i]);
        free(several);
    }
    free(one);
}

struct caller {
    pthread_t thread;
    const gc_plan *plan;
    const float *expected;
    size_t wrong;
};

static void *call(void *argument)
{
    struct caller *const caller = argument;
    for (int round = 0; round < 10; round++) {
        float *const out = decode(caller->plan, 1 + round % 3);
        for (size_t i = 0; i < length; i++) {
            const float difference = out[i] - caller->expected[i];
            caller->wrong += !(difference <= 1e-4f && difference >= -1e-4f);
        }
        free(out);
    }
    return NULL;
}

/* One plan in several threads at once, while another forces one level after the other. */
static void many_callers(const gc_plan *plan)
{
    float *const expected = decode(plan, 1);
    struct caller callers[CALLERS];

    name_case("one plan in %d threads at once", CALLERS);
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.plan = plan, .expected = expected};
        CHECK(pthread_create(&callers[i].thread, NULL, call, &callers[i]) == 0);
    }
    for (int i = 0; i < 10000; i++) (void)gc_level_force(i % GC_N_LEVELS);
    for (int i = 0; i < CALLERS; i++) {
        CHECK(pthread_join(callers[i].thread, NULL) == 0);
        if (callers[i].wrong)
            fail("%zu elements are wrong in thread %d", callers[i].wrong, i);
    }
    free(expected);
}

/* A child has none of the threads of its parent, and must not wait for them. */
static void after_a_fork(const gc_plan *plan)
{
    int status;

    name_case("after a fork");
    free(decode(plan, 2));
    fflush(stdout);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(60);
        CHECK(gc_threads_available() == 0 && gc_threads_for((size_t)1 << 40, 8) == 1);
        free(decode(plan, 2));
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

void test_threads(bool quick)
{
    gc_plan *plan;

    (void)quick;
#ifdef _OPENMP
    omp_set_num_threads(5);
#endif
    make_data();
    CHECK(gc_plan_decode(&plan, GC_F32, weights, MESSAGES, PARTS, stride, length) == GC_OK);
    numbers();
    for (int level = 0; level < GC_N_LEVELS; level++)
        if (gc_level_force(level) == GC_OK)
            same_with_any_number(plan);
    many_callers(plan);
    after_a_fork(plan);
    gc_plan_free(plan);
    for (size_t i = 0; i < MESSAGES; i++) free((void *)(uintptr_t)messages[i]);
}
