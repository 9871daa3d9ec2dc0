#include "problem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define MOST_BUFFERS 300

static struct guarded inputs[MOST_BUFFERS], result;

static void *allocate(size_t n, size_t size)
{
    void *const memory = malloc(n * size + (n * size == 0));
    if (!memory)
        fail("no memory for %zu elements of %zu bytes", n, size);
    return memory;
}

static void put_real(const struct sum *sum, void *to, size_t i, double value)
{
    if (sum->type == GC_F64)
        ((double *)to)[i] = value;
    else
        ((float *)to)[i] = (float)value;
}

/* Any bits of moderate size serve as an element of 16 bits. */
static void put_input(const struct sum *sum, void *to, size_t i, double value)
{
    if (in_size(sum) != 2) {
        put_real(sum, to, i, value);
    } else if (sum->type == GC_F32_F16) {
        const uint16_t nan = 0x7e01, infinity = 0x7c00, bits = (uint16_t)random_bits() & 0xbfff;
        ((uint16_t *)to)[i] = isnan(value) ? nan : isinf(value) ? infinity | (value < 0) << 15 : bits;
    } else {
        const float single = (float)value;
        uint32_t bits;
        memcpy(&bits, &single, sizeof bits);
        ((uint16_t *)to)[i] = (uint16_t)(bits >> 16);
    }
}

static double draw(bool specials)
{
    if (specials && random_below(16) == 0) {
        static const double values[] = {NAN, INFINITY, -INFINITY, 0.0, -0.0, 0x1p-149, 1};
        return values[random_below(sizeof values / sizeof *values)];
    }
    return random_value();
}

static bool zero_at(enum zeros zeros, size_t column, uint64_t columns)
{
    switch (zeros) {
    case ZEROS_NONE: return false;
    case ZEROS_RANDOM: return random_below(3) == 0;
    case ZEROS_COLUMNS: return columns >> column % 64 & 1;
    default: return true;
    }
}

static void draw_table(struct problem *problem)
{
    const struct shape *const shape = &problem->shape;
    const size_t columns = shape->encode ? shape->parts : shape->n, rows = shape->encode ? shape->n : shape->parts;
    const uint64_t zero_columns = random_bits();

    problem->table = allocate(rows * columns, real_size(&problem->sum));
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < columns; c++) {
            const bool zero = zero_at(shape->zeros, c, zero_columns);
            const double value = random_value();
            put_real(&problem->sum, problem->table, r * columns + c,
                     zero         ? random_below(2) ? 0.0 : -0.0
                     : value != 0 ? value
                                  : 1);
        }
    }
}

static bool is_zero(const struct problem *problem, size_t i)
{
    return problem->sum.type == GC_F64 ? ((double *)problem->table)[i] == 0 : ((float *)problem->table)[i] == 0;
}

/* Whether no row of the result has a weight for block u of buffer j. */
static bool unused(const struct problem *problem, size_t j, size_t u)
{
    const struct shape *const shape = &problem->shape;

    if (shape->encode)
        return is_zero(problem, j * shape->parts + u);
    for (size_t row = 0; row < shape->parts; row++)
        if (!is_zero(problem, row * shape->n + j))
            return false;
    return true;
}

static bool unused_altogether(const struct problem *problem, size_t j)
{
    for (size_t u = 0; u < (problem->shape.encode ? problem->shape.parts : 1); u++)
        if (!unused(problem, j, u))
            return false;
    return true;
}

static void draw_buffer(struct problem *problem, size_t j)
{
    const struct shape *const shape = &problem->shape;
    const size_t elements = in_elements(&problem->sum), itemsize = in_size(&problem->sum);
    const size_t place = shape->in_place == AT_END ? AT_END : (shape->in_place + j) % 18;
    void *const buffer = guarded_place(&inputs[j], elements * itemsize, itemsize, place);

    problem->buffers[j] = buffer;
    for (size_t i = 0; i < elements; i++) {
        const bool behind_zero =
            shape->specials && unused(problem, j, shape->encode && shape->stride ? i / shape->stride : 0);
        put_input(&problem->sum, buffer, i, behind_zero ? (double)NAN : draw(shape->specials));
    }
    if (unused_altogether(problem, j) && random_below(2))
        problem->buffers[j] = unreadable();
}

void problem_make(struct problem *problem, const struct shape *shape)
{
    *problem = (struct problem){.shape = *shape};
    struct sum *const sum = &problem->sum;
    *sum = (struct sum){.encode = shape->encode,
                        .type = shape->type,
                        .n = shape->n,
                        .parts = shape->parts,
                        .stride = shape->stride,
                        .length = shape->length,
                        .flags = shape->accumulate ? GC_ACCUMULATE : 0};
    name_case("%s %s n=%zu parts=%zu stride=%zu length=%zu accumulate=%d zeros=%d specials=%d places=%zd,%zd",
              shape->encode ? "encode" : "decode", type_name(shape->type), shape->n, shape->parts, shape->stride,
              shape->length, shape->accumulate, (int)shape->zeros, shape->specials, (ptrdiff_t)shape->in_place,
              (ptrdiff_t)shape->out_place);
    CHECK(shape->n <= MOST_BUFFERS);
    draw_table(problem);
    problem->buffers = allocate(shape->n, sizeof *problem->buffers);
    for (size_t j = 0; j < shape->n; j++) draw_buffer(problem, j);
    problem->before = allocate(out_elements(sum), out_size(sum));
    memset(problem->before, 0xff, out_elements(sum) * out_size(sum)); /* NaN, in each type */
    if (shape->accumulate)
        for (size_t i = 0; i < out_elements(sum); i++) put_real(sum, problem->before, i, draw(shape->specials));
    problem->expected = allocate(out_elements(sum), sizeof *problem->expected);
    sum->table = problem->table;
    sum->buffers = problem->buffers;
    expect(sum, problem->before, problem->expected);
}

void problem_free(struct problem *problem)
{
    free(problem->table);
    free(problem->buffers);
    free(problem->before);
    free(problem->expected);
}

void problem_run(const struct problem *problem, int num_threads, bool planned)
{
    const struct sum *const sum = &problem->sum;
    const struct shape *const shape = &problem->shape;
    const size_t elements = out_elements(sum), bytes = elements * out_size(sum);
    char *const out = guarded_place(&result, bytes, out_size(sum), shape->out_place);

    guarded_mark(&result, out, bytes);
    memcpy(out, problem->before, bytes);
    const int status = (planned ? run_planned : run_once)(sum, out, num_threads);
    const char *const level = gc_level_name(gc_level_current());
    if (status != GC_OK)
        fail("%s: status %d: %s", level, status, gc_status_message(status));
    if (!guarded_untouched(&result, out, bytes))
        fail("%s: bytes beside the result have been written", level);
    const size_t wrong = first_wrong(sum, out, problem->expected);
    if (wrong < elements)
        fail("%s, %d threads, planned=%d: element %zu is %.17g and not in [%.17Lg, %.17Lg]", level, num_threads,
             planned, wrong, output(sum, out, wrong), problem->expected[wrong].low, problem->expected[wrong].high);
}

void problem_run_all(const struct problem *problem, int num_threads)
{
    for (int level = 0; level < GC_N_LEVELS; level++) {
        if (!gc_level_available(level))
            continue;
        CHECK(gc_level_force(level) == GC_OK);
        problem_run(problem, num_threads, false);
        problem_run(problem, num_threads, true);
    }
}

void problems_done(void)
{
    for (size_t j = 0; j < MOST_BUFFERS; j++) guarded_free(&inputs[j]);
    guarded_free(&result);
}
