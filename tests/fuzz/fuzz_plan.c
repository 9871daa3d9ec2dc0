/* A target for libFuzzer: one encode or decode, of a shape and with data that the input chooses, at a level and in a
 * number of threads that it chooses too, compared with what it must give. */
#include <string.h>

#include "check.h"
#include "problem.h"

struct source {
    const uint8_t *data;
    size_t size;
};

/* A number in [0, n); 0 where the input ends. */
static size_t take(struct source *source, size_t n)
{
    size_t value = 0;
    for (size_t i = 0; i < 2 && source->size > 0; i++, source->data++, source->size--)
        value = value << 8 | *source->data;
    return value % n;
}

static size_t take_place(struct source *source)
{
    const size_t place = take(source, 36);
    return place < 18 ? place : AT_END;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source source = {data, size};
    struct shape shape = {0};

    shape.encode = take(&source, 2);
    shape.type = (int)take(&source, GC_N_TYPES);
    shape.parts = 1 + take(&source, 24);
    shape.n = take(&source, 200);
    const size_t most = ((size_t)1 << 17) / (shape.n + shape.parts) / (shape.encode ? shape.parts : 1);
    shape.stride = take(&source, take(&source, 2) ? 64 : most);
    shape.length = shape.parts * shape.stride - take(&source, shape.parts * shape.stride + 1);
    shape.accumulate = take(&source, 2) && !(shape.encode && shape.type >= GC_F32_F16);
    shape.zeros = (enum zeros)take(&source, N_ZEROS);
    shape.specials = take(&source, 2);
    shape.in_place = take_place(&source);
    shape.out_place = take_place(&source);
    const int level = (int)take(&source, GC_N_LEVELS), num_threads = (int)take(&source, 4);
    const bool planned = take(&source, 2);
    random_seed(take(&source, 65536));

    if (gc_level_force(level) != GC_OK)
        return 0;
    struct problem problem;
    problem_make(&problem, &shape);
    problem_run(&problem, num_threads, planned);
    problem_free(&problem);
    return 0;
}
