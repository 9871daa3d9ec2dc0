/* Problems beyond all caches, where the kernels prefetch, write past the caches and take many streams in passes. */
#include <stdio.h>

#include "check.h"
#include "problem.h"
#include "tests.h"

#define BYTES ((size_t)13 << 19) /* a little more than what counts as large */

/* Few and many streams, in a strip, in several, in several passes; one row and more than a tile has. */
static const struct {
    bool encode;
    size_t n, parts;
} kinds[] = {
    {false, 2, 2},   {false, 5, 4},  {false, 8, 3},  {false, 20, 4}, {false, 33, 9},   {false, 130, 10},
    {false, 140, 1}, {false, 13, 1}, {false, 3, 17}, {false, 0, 4},  {false, 260, 12}, {true, 1, 1},
    {true, 1, 4},    {true, 5, 4},   {true, 3, 1},   {true, 70, 2},  {true, 130, 1},
};

static size_t run_kind(bool encode, size_t n, size_t parts, int type, size_t odd, enum zeros zeros)
{
    struct shape shape = {.encode = encode, .type = type, .n = n, .parts = parts, .zeros = zeros};
    const size_t real = type == GC_F64 ? 8 : 4, message = type == GC_F32_F16 || type == GC_F32_BF16 ? 2 : real;
    const size_t elements = BYTES / (encode ? n * parts * real + message : n * message + parts * real);
    struct problem problem;

    shape.stride = elements / 16 * 16 + odd;
    shape.length = shape.parts * shape.stride - (odd ? shape.stride / 3 : 0);
    shape.accumulate = random_below(4) == 0 && !(encode && message == 2);
    shape.in_place = random_below(2) ? AT_END : random_below(18);
    shape.out_place = random_below(2) ? AT_END : random_below(18);
    problem_make(&problem, &shape);
    for (int level = 0; level < GC_N_LEVELS; level++) {
        if (gc_level_force(level) != GC_OK)
            continue;
        problem_run(&problem, 1, true);
        problem_run(&problem, 3, false);
    }
    problem_free(&problem);
    return 1;
}

void test_large(bool quick)
{
    size_t problems = 0;

    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        for (int type = 0; type < GC_N_TYPES; type++) {
            /* Rows that are aligned alike, then others; the blocks of each tile, then of many. */
            const bool aligned = !quick || (kind + (size_t)type) % 8 == 0;
            const bool other = !quick || (kind + (size_t)type) % 8 == 4;
            if (aligned)
                problems += run_kind(kinds[kind].encode, kinds[kind].n, kinds[kind].parts, type, 0, ZEROS_NONE);
            if (other)
                problems += run_kind(kinds[kind].encode, kinds[kind].n, kinds[kind].parts, type, 1 + random_below(15),
                                     random_below(3) ? ZEROS_NONE : ZEROS_RANDOM);
        }
    }
    printf("   %zu problems at every level, in 1 and 3 threads\n", problems);
}
