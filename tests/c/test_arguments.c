/* Every wrong argument has its status, and nothing has been written when it comes back. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "oracle.h"
#include "tests.h"

static const double table[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
static const double data[16];
static const void *const buffers[] = {data, data};
static const void *const with_null[] = {data, NULL};

static const struct sum good = {.n = 2, .parts = 3, .stride = 5, .length = 13, .table = table, .buffers = buffers};

static void expect_status(struct sum sum, int status, int num_threads, const char *what)
{
    char out[16 * sizeof(double)], before[sizeof out];

    memset(out, 0x5a, sizeof out);
    memcpy(before, out, sizeof out);
    name_case("%s %s: %s", sum.encode ? "encode" : "decode", type_name(sum.type), what);
    for (int planned = 0; planned < 2; planned++) {
        const int got = (planned ? run_planned : run_once)(&sum, out, num_threads);
        if (got != status)
            fail("planned=%d: status %d and not %d", planned, got, status);
        if (status != GC_OK && memcmp(out, before, sizeof out) != 0)
            fail("planned=%d: the output has been written", planned);
    }
}

static void sizes(const struct sum *good_sum)
{
    struct sum sum = *good_sum;
    expect_status(sum, GC_OK, 1, "nothing wrong");
    sum.parts = 0;
    expect_status(sum, GC_ERR_PARTS, 1, "no parts");
    sum = *good_sum, sum.stride = 4;
    expect_status(sum, GC_ERR_SIZE, 1, "short stride");
    sum = *good_sum, sum.stride = 0;
    expect_status(sum, GC_ERR_SIZE, 1, "no stride");
    sum = *good_sum, sum.length = 16;
    expect_status(sum, GC_ERR_SIZE, 1, "long gradient");
    static const size_t many[] = {SIZE_MAX, SIZE_MAX / 2 + 1, SIZE_MAX / 3 + 1, SIZE_MAX / 32};
    for (size_t i = 0; i < sizeof many / sizeof *many; i++) {
        sum = *good_sum, sum.stride = many[i];
        expect_status(sum, GC_ERR_OVERFLOW, 1, "parts*stride overflows");
        sum = *good_sum, sum.parts = many[i];
        expect_status(sum, GC_ERR_OVERFLOW, 1, "parts overflow");
        sum = *good_sum, sum.n = many[i];
        expect_status(sum, GC_ERR_OVERFLOW, 1, "n overflows");
    }
    sum = *good_sum, sum.parts = (size_t)1 << 50, sum.stride = 1, sum.length = 1;
    expect_status(sum, GC_ERR_MEMORY, 1, "more coefficients than there can be memory for");
    sum.n = 0;
    expect_status(sum, GC_ERR_MEMORY, 1, "more rows than there can be memory for");
}

static void pointers(const struct sum *good_sum)
{
    struct sum sum = *good_sum;
    sum.table = NULL;
    expect_status(sum, GC_ERR_NULL, 1, "no table");
    sum = *good_sum, sum.buffers = NULL;
    expect_status(sum, GC_ERR_NULL, 1, "no buffers");
    sum = *good_sum, sum.buffers = with_null;
    expect_status(sum, GC_ERR_NULL, 1, "a null buffer");
    sum = *good_sum, sum.n = 0, sum.table = NULL, sum.buffers = NULL;
    expect_status(sum, GC_OK, 1, "no inputs need no pointers");
    sum = *good_sum, sum.stride = sum.length = 0, sum.buffers = with_null;
    expect_status(sum, GC_OK, 1, "empty buffers may be null");
    name_case("%s %s: no output", sum.encode ? "encode" : "decode", type_name(sum.type));
    CHECK(run_once(&sum, NULL, 1) == GC_OK);
    CHECK(run_once(good_sum, NULL, 1) == GC_ERR_NULL);
    CHECK(run_planned(good_sum, NULL, 1) == GC_ERR_NULL);
}

static void options(const struct sum *good_sum)
{
    struct sum sum = *good_sum;
    expect_status(sum, GC_ERR_THREADS, -1, "a negative number of threads");
    expect_status(sum, GC_OK, 1 << 20, "more threads than there are");
    sum.flags = 2;
    expect_status(sum, GC_ERR_FLAGS, 1, "an unknown flag");
    sum.flags = 1u << 31 | GC_ACCUMULATE;
    expect_status(sum, GC_ERR_FLAGS, 1, "an unknown flag beside a known one");
    sum.flags = GC_ACCUMULATE;
    expect_status(sum, sum.encode && out_size(&sum) == 2 ? GC_ERR_FLAGS : GC_OK, 1, "accumulate");
}

static void plans(void)
{
    gc_plan *plan = (gc_plan *)(uintptr_t)1;
    static const int types[] = {-1, GC_N_TYPES, 1 << 30};

    name_case("plans");
    CHECK(gc_plan_encode(NULL, GC_F32, table, 1, 1, 1, 1) == GC_ERR_NULL);
    CHECK(gc_plan_decode(NULL, GC_F32, table, 1, 1, 1, 1) == GC_ERR_NULL);
    for (size_t i = 0; i < 3; i++) {
        plan = (gc_plan *)(uintptr_t)1;
        CHECK(gc_plan_encode(&plan, types[i], table, 1, 1, 1, 1) == GC_ERR_TYPE && plan == NULL);
        plan = (gc_plan *)(uintptr_t)1;
        CHECK(gc_plan_decode(&plan, types[i], table, 1, 1, 1, 1) == GC_ERR_TYPE && plan == NULL);
    }
    plan = (gc_plan *)(uintptr_t)1;
    CHECK(gc_plan_encode(&plan, GC_F32, table, 1, 0, 1, 1) == GC_ERR_PARTS && plan == NULL);
    CHECK(gc_plan_run(NULL, buffers, (void *)(uintptr_t)8, 0, 1) == GC_ERR_NULL);
    gc_plan_free(NULL);
}

static void texts(void)
{
    name_case("texts of statuses");
    for (int status = 0; status < GC_N_STATUS; status++)
        CHECK(strcmp(gc_status_message(status), "unknown status") != 0 && strlen(gc_status_message(status)) > 4);
    CHECK(strcmp(gc_status_message(-1), "unknown status") == 0);
    CHECK(strcmp(gc_status_message(GC_N_STATUS), "unknown status") == 0);
}

void test_arguments(bool quick)
{
    (void)quick;
    for (int type = 0; type < GC_N_TYPES; type++) {
        for (int encode = 0; encode < 2; encode++) {
            struct sum sum = good;
            sum.type = type;
            sum.encode = encode;
            sizes(&sum);
            pointers(&sum);
            options(&sum);
        }
    }
    plans();
    texts();
}
