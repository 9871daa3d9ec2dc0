/* What encode and decode must give, by the formulas of gradcode.h in wider arithmetic, with bounds of the rounding. */
#ifndef ORACLE_H
#define ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gradcode.h"

/* An encode or decode but for its output; `type` is one of enum gc_type. */
struct sum {
    bool encode;
    int type;
    size_t n, parts, stride, length;
    const void *table;
    const void *const *buffers;
    unsigned flags;
};

/* Each element of the result lies in [low, high], or is NaN where these are. */
struct interval {
    long double low, high;
};

/* Elements and their sizes in bytes. */
size_t real_size(const struct sum *sum);
size_t in_size(const struct sum *sum);
size_t out_size(const struct sum *sum);
size_t in_elements(const struct sum *sum);
size_t out_elements(const struct sum *sum);

/* Fill in expected[0 .. out_elements-1]; `before` is what an accumulating run adds to. */
void expect(const struct sum *sum, const void *before, struct interval *expected);

/* The first element of `out` that is not as expected, or out_elements if there is none. */
size_t first_wrong(const struct sum *sum, const void *out, const struct interval *expected);

/* Element i of an output, for messages. */
double output(const struct sum *sum, const void *out, size_t i);

/* Run the sum in one call, or through a plan. */
int run_once(const struct sum *sum, void *out, int num_threads);
int run_planned(const struct sum *sum, void *out, int num_threads);

/* The 16-bit types by their definitions, slowly. */
double half_value(uint16_t bits);
double bfloat_value(uint16_t bits);
long double round_to_half(long double value);
long double round_to_bfloat(long double value);

/* Names for messages. */
const char *type_name(int type);

#endif
