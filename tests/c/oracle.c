#include "oracle.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "check.h"

size_t real_size(const struct sum *sum) { return sum->type == GC_F64 ? 8 : 4; }

static bool is_16_bit(const struct sum *sum) { return sum->type == GC_F32_F16 || sum->type == GC_F32_BF16; }

size_t in_size(const struct sum *sum) { return !sum->encode && is_16_bit(sum) ? 2 : real_size(sum); }
size_t out_size(const struct sum *sum) { return sum->encode && is_16_bit(sum) ? 2 : real_size(sum); }
size_t in_elements(const struct sum *sum) { return sum->encode ? sum->length : sum->stride; }
size_t out_elements(const struct sum *sum) { return sum->encode ? sum->stride : sum->length; }

const char *type_name(int type)
{
    static const char *const names[GC_N_TYPES] = {"f32", "f64", "f16", "bf16"};
    return names[type];
}

/* A sign, then exponent_bits, then fraction_bits. */
static double small_value(uint16_t bits, int exponent_bits, int fraction_bits)
{
    const int bias = (1 << (exponent_bits - 1)) - 1, largest = (1 << exponent_bits) - 1;
    const int exponent = bits >> fraction_bits & largest, fraction = bits & ((1 << fraction_bits) - 1);
    const double sign = bits >> 15 ? -1 : 1;

    if (exponent == largest)
        return fraction ? (double)NAN : sign * INFINITY;
    if (exponent == 0)
        return sign * ldexp(fraction, 1 - bias - fraction_bits);
    return sign * ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
}

double half_value(uint16_t bits) { return small_value(bits, 5, 10); }
double bfloat_value(uint16_t bits) { return small_value(bits, 8, 7); }

/* To the nearest multiple of the unit at the value's size, to even in the middle, as rintl does. */
static long double round_to(long double value, int precision, int least_unit, long double largest)
{
    int exponent;
    if (!isfinite(value) || value == 0)
        return value;
    frexpl(value, &exponent);
    const int unit = exponent - precision > least_unit ? exponent - precision : least_unit;
    const long double rounded = ldexpl(rintl(ldexpl(value, -unit)), unit);
    return fabsl(rounded) > largest ? copysignl(INFINITY, value) : rounded;
}

long double round_to_half(long double value) { return round_to(value, 11, -24, 65504); }
long double round_to_bfloat(long double value) { return round_to(value, 8, -133, 0x1.fep127L); }

/* sum[t] += weight*x[t] and size[t] += |weight*x[t]|, exactly or nearly so. */
#define ADD_STREAM(name, wide, type, value)                                                                            \
    static void name(wide weight, const type *x, size_t n, wide *sum, wide *size)                                      \
    {                                                                                                                  \
        for (size_t t = 0; t < n; t++) {                                                                               \
            const wide product = weight * (wide)value(x[t]);                                                           \
            sum[t] += product;                                                                                         \
            size[t] += product < 0 ? -product : product;                                                               \
        }                                                                                                              \
    }

ADD_STREAM(add_f32, double, float, )
ADD_STREAM(add_f64, long double, double, )
ADD_STREAM(add_f16, double, uint16_t, half_value)
ADD_STREAM(add_bf16, double, uint16_t, bfloat_value)

static double weight_at(const struct sum *sum, size_t row, size_t column)
{
    const size_t i = row * (sum->encode ? sum->parts : sum->n) + column;
    return sum->type == GC_F64 ? ((const double *)sum->table)[i] : ((const float *)sum->table)[i];
}

/* The sums of one row of the result, `count` elements, as numbers of the wider type. */
static void row_sums(const struct sum *sum, size_t u, size_t count, void *sums, void *sizes, size_t *terms)
{
    for (size_t j = 0; j < sum->n; j++) {
        for (size_t v = 0; v < (sum->encode ? sum->parts : 1); v++) {
            const double weight = sum->encode ? weight_at(sum, j, v) : weight_at(sum, u, j);
            const size_t start = v * sum->stride;
            if (weight == 0 || (sum->encode && start >= sum->length))
                continue;
            const size_t n = sum->encode && sum->length - start < count ? sum->length - start : count;
            const char *const x = (const char *)sum->buffers[j] + start * in_size(sum);
            for (size_t t = 0; t < n; t++) terms[t]++;
            if (sum->type == GC_F64)
                add_f64(weight, (const void *)x, n, sums, sizes);
            else if (sum->encode || sum->type == GC_F32)
                add_f32(weight, (const void *)x, n, sums, sizes);
            else
                (sum->type == GC_F32_F16 ? add_f16 : add_bf16)(weight, (const void *)x, n, sums, sizes);
        }
    }
}

void expect(const struct sum *sum, const void *before, struct interval *expected)
{
    const size_t rows = sum->encode ? 1 : sum->parts;
    const size_t width = sum->type == GC_F64 ? sizeof(long double) : sizeof(double);
    const long double unit = sum->type == GC_F64 ? DBL_EPSILON / 2 : FLT_EPSILON / 2;
    const long double least = sum->type == GC_F64 ? 0x1p-1074L : 0x1p-149L;
    void *const sums = malloc(sum->stride * width + 1), *const sizes = malloc(sum->stride * width + 1);
    size_t *const terms = malloc(sum->stride * sizeof *terms + 1);

    CHECK(sums && sizes && terms);
    for (size_t u = 0; u < rows && u * sum->stride < out_elements(sum); u++) {
        const size_t left = out_elements(sum) - u * sum->stride, count = left < sum->stride ? left : sum->stride;
        for (size_t t = 0; t < sum->stride; t++) {
            terms[t] = 0;
            if (sum->type == GC_F64)
                ((long double *)sums)[t] = ((long double *)sizes)[t] = 0;
            else
                ((double *)sums)[t] = ((double *)sizes)[t] = 0;
        }
        row_sums(sum, u, count, sums, sizes, terms);
        for (size_t t = 0; t < count; t++) {
            const size_t i = u * sum->stride + t;
            long double value = sum->type == GC_F64 ? ((long double *)sums)[t] : ((double *)sums)[t];
            const long double size = sum->type == GC_F64 ? ((long double *)sizes)[t] : ((double *)sizes)[t];
            /* A product and a sum for each term, each of which is rounded once: n roundings of the partial sums. The
             * hundredth is for terms of second order and for the rounding of this very sum. */
            long double error = terms[t] * (1.01L * unit * size + least);
            if (sum->flags & GC_ACCUMULATE) {
                value += sum->type == GC_F64 ? ((const double *)before)[i] : ((const float *)before)[i];
                error += 1.01L * unit * (fabsl(value) + error) + least;
            }
            expected[i] = (struct interval){value, value};
            if (isfinite(value))
                expected[i] = (struct interval){value - error, value + error};
            if (sum->encode && is_16_bit(sum)) {
                long double (*const rounded)(long double) =
                    sum->type == GC_F32_F16 ? round_to_half : round_to_bfloat; /* which is monotonic */
                expected[i] = (struct interval){rounded(expected[i].low), rounded(expected[i].high)};
            }
        }
    }
    free(sums);
    free(sizes);
    free(terms);
}

double output(const struct sum *sum, const void *out, size_t i)
{
    if (out_size(sum) == 2)
        return (sum->type == GC_F32_F16 ? half_value : bfloat_value)(((const uint16_t *)out)[i]);
    return sum->type == GC_F64 ? ((const double *)out)[i] : ((const float *)out)[i];
}

size_t first_wrong(const struct sum *sum, const void *out, const struct interval *expected)
{
    for (size_t i = 0; i < out_elements(sum); i++) {
        const double value = output(sum, out, i);
        if (isnan(expected[i].low) ? !isnan(value) : !(expected[i].low <= value && value <= expected[i].high))
            return i;
    }
    return out_elements(sum);
}

int run_once(const struct sum *sum, void *out, int num_threads)
{
#define ARGUMENTS                                                                                                      \
    sum->table, sum->n, sum->parts, sum->stride, (const void *)sum->buffers, sum->length, out, sum->flags, num_threads
    switch (sum->type) {
    case GC_F32: return (sum->encode ? gc_encode_f32 : gc_decode_f32)(ARGUMENTS);
    case GC_F64: return (sum->encode ? gc_encode_f64 : gc_decode_f64)(ARGUMENTS);
    case GC_F32_F16: return sum->encode ? gc_encode_f16(ARGUMENTS) : gc_decode_f16(ARGUMENTS);
    default: return sum->encode ? gc_encode_bf16(ARGUMENTS) : gc_decode_bf16(ARGUMENTS);
    }
}

int run_planned(const struct sum *sum, void *out, int num_threads)
{
    gc_plan *plan;
    int status = (sum->encode ? gc_plan_encode : gc_plan_decode)(&plan, sum->type, sum->table, sum->n, sum->parts,
                                                                 sum->stride, sum->length);
    if (status == GC_OK)
        status = gc_plan_run(plan, sum->buffers, out, sum->flags, num_threads);
    gc_plan_free(plan);
    return status;
}
