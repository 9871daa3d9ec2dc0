/* Tests of the C sources without Python: `kernels_test [quick] [TEST...]`.  Status 0 if all is well, or else
 * another one and a line that names the case. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "gradcode.h"
#include "problem.h"
#include "tests.h"

#if defined(__SANITIZE_ADDRESS__)
/* A plan that is too large is refused and not fatal. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "allocator_may_return_null=1:detect_stack_use_after_return=1"; }
#endif

static const struct {
    const char *name;
    void (*run)(bool quick);
} tests[] = {
    {"arguments", test_arguments}, {"levels", test_levels}, {"rounding", test_rounding}, {"sums", test_sums},
    {"large", test_large},         {"huge", test_huge},     {"threads", test_threads},
};

static bool chosen(const char *name, int argc, char **argv)
{
    if (argc == 0)
        return true;
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return false;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(int argc, char **argv)
{
    const bool quick = argc > 1 && strcmp(argv[1], "quick") == 0;
    int ran = 0;

    catch_bad_accesses();
    printf("levels:");
    for (int level = 0; level < GC_N_LEVELS; level++)
        if (gc_level_available(level))
            printf(" %s", gc_level_name(level));
    printf("; threads: %s\n", gc_threads_available() ? "yes" : "no");
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        if (!chosen(tests[i].name, argc - 1 - quick, argv + 1 + quick))
            continue;
        const double start = seconds();
        random_seed(i);
        tests[i].run(quick);
        printf("ok %s (%.1f s)\n", tests[i].name, seconds() - start);
        fflush(stdout);
        ran++;
    }
    problems_done();
    name_case("arguments of the program");
    if (ran == 0)
        fail("no such test");
    return 0;
}
