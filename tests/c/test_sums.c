/* Every kernel on small problems: all lengths up to 300 and some around the sizes of strips and blocks. */
#include <stdio.h>

#include "check.h"
#include "problem.h"
#include "tests.h"

static size_t pick(const size_t *from, size_t n) { return from[random_below(n)]; }
#define PICK(array) pick(array, sizeof(array) / sizeof *(array))

static struct shape draw_shape(bool encode, int type, size_t length)
{
    static const size_t parts[] = {1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 17, 20};
    static const size_t counts[] = {0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 20, 33};
    static const size_t many[] = {127, 128, 129, 257};
    struct shape shape = {.encode = encode, .type = type, .length = length};

    shape.parts = PICK(parts);
    shape.n = random_below(20) ? PICK(counts) : PICK(many) / (encode ? shape.parts : 1) + 1;
    shape.stride = (length + shape.parts - 1) / shape.parts;
    switch (random_below(6)) {
    case 0: shape.stride += 1; break;
    case 1: shape.stride += random_below(40); break; /* the last block is shorter, and others may be empty */
    case 2: shape.stride = (shape.stride + 15) / 16 * 16; break;
    case 3: shape.stride = length + random_below(3); break;
    }
    shape.accumulate = random_below(3) == 0 && !(encode && (type == GC_F32_F16 || type == GC_F32_BF16));
    shape.zeros = (enum zeros)(random_below(8) ? random_below(3) : random_below(N_ZEROS));
    shape.specials = random_below(3) == 0;
    shape.in_place = random_below(2) ? AT_END : random_below(18);
    shape.out_place = random_below(2) ? AT_END : random_below(18);
    return shape;
}

static size_t run_length(size_t length, size_t draws)
{
    for (int type = 0; type < GC_N_TYPES; type++) {
        for (int encode = 0; encode < 2; encode++) {
            for (size_t draw = 0; draw < draws; draw++) {
                const struct shape shape = draw_shape(encode, type, length);
                struct problem problem;
                problem_make(&problem, &shape);
                problem_run_all(&problem, 1);
                problem_free(&problem);
            }
        }
    }
    return (size_t)2 * GC_N_TYPES * draws;
}

void test_sums(bool quick)
{
    static const size_t longer[] = {383,  384,  385,  767,  768,  769,  1023,          1024,
                                    1025, 1151, 1152, 1153, 1536, 2047, 2048,          2049,
                                    3071, 3073, 6143, 6144, 6145, 9217, 12 * 1024 + 1, 20 * 384 + 5};
    size_t problems = 0;

    for (size_t length = 0; length <= 300; length += quick ? 1 + length / 64 : 1)
        problems += run_length(length, quick ? 3 : 8);
    for (size_t i = 0; i < sizeof longer / sizeof *longer; i += quick ? 3 : 1)
        problems += run_length(longer[i], quick ? 1 : 6);
    printf("   %zu problems at every level\n", problems);
}
