/* Conversions of the 16-bit types: all 65536 values exactly, and the rounding around every tie and of many floats. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "oracle.h"
#include "tests.h"

static const float one = 1;

static double reference(int type, uint16_t bits) { return type == GC_F32_F16 ? half_value(bits) : bfloat_value(bits); }

static void decode(int type, const uint16_t *message, float *out, size_t n)
{
    const int status = (type == GC_F32_F16 ? gc_decode_f16 : gc_decode_bf16)(&one, 1, 1, n, &message, n, out, 0, 1);
    CHECK(status == GC_OK);
}

static void encode(int type, const float *gradient, uint16_t *out, size_t n)
{
    const int status = (type == GC_F32_F16 ? gc_encode_f16 : gc_encode_bf16)(&one, 1, 1, n, &gradient, n, out, 0, 1);
    CHECK(status == GC_OK);
}

/* In calls of `step` values, so that a value meets the code for short rows, too. */
static void all_values(int type, size_t step)
{
    const size_t n = 65536;
    uint16_t *const message = malloc(n * sizeof *message);
    float *const out = malloc(n * sizeof *out);

    CHECK(message && out);
    for (size_t i = 0; i < n; i++) message[i] = (uint16_t)i;
    for (size_t i = 0; i < n; i += step) decode(type, message + i, out + i, i + step < n ? step : n - i);
    for (size_t i = 0; i < n; i++) {
        const double wanted = reference(type, (uint16_t)i);
        if (isnan(wanted) ? !isnan(out[i]) : out[i] != wanted)
            fail("0x%04zx is %.9g and not %.9g, in calls of %zu", i, out[i], wanted, step);
    }
    free(message);
    free(out);
}

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Round values[0..n-1], and compare with the definition. */
static void check_rounding(int type, const float *values, const long double *rounded, uint16_t *message, size_t n,
                           size_t step)
{
    for (size_t i = 0; i < n; i += step) encode(type, values + i, message + i, i + step < n ? step : n - i);
    for (size_t i = 0; i < n; i++) {
        const double value = reference(type, message[i]);
        /* A sum that begins with 0 is never -0, but may be too small for another negative number. */
        const bool negative = signbit(value) != 0;
        if (isnan(rounded[i]) ? !isnan(value) : value != (double)rounded[i] || negative != (values[i] < 0))
            fail("%a becomes 0x%04x, %a, and not %La, in calls of %zu", values[i], message[i], value, rounded[i], step);
    }
}

static void round_all(int type, const float *values, size_t n)
{
    static const size_t steps[] = {SIZE_MAX / 2, 7, 33};
    long double *const rounded = malloc(n * sizeof *rounded);
    uint16_t *const message = malloc(n * sizeof *message);

    CHECK(rounded && message);
    for (size_t i = 0; i < n; i++)
        rounded[i] = isnan(values[i])     ? (long double)NAN
                     : type == GC_F32_F16 ? round_to_half(values[i])
                                          : round_to_bfloat(values[i]);
    for (int level = 0; level < GC_N_LEVELS; level++) {
        if (!gc_level_available(level))
            continue;
        CHECK(gc_level_force(level) == GC_OK);
        name_case("rounding to %s, %s", type_name(type), gc_level_name(level));
        for (size_t s = 0; s < sizeof steps / sizeof *steps; s++)
            check_rounding(type, values, rounded, message, n, steps[s]);
    }
    free(rounded);
    free(message);
}

/* Halfway between neighbours, and the floats beside that; then the neighbours, and the floats beside those. */
static void around_ties(int type)
{
    const size_t n = 65536 * 10;
    float *const values = malloc(n * sizeof *values);
    size_t count = 0;

    CHECK(values);
    for (uint32_t i = 0; i < 65536; i++) {
        const double low = reference(type, (uint16_t)i);
        double high = reference(type, (uint16_t)(i + 1));
        if (isnan(low))
            continue;
        if (!isfinite(high) || isnan(high)) /* above the largest: as far from it as the one below */
            high = isfinite(low) ? 2 * low - reference(type, (uint16_t)(i - 1)) : low;
        const float middle = isinf(low) ? (float)low : (float)(low + (high - low) / 2);
        const float bases[] = {middle, (float)low};
        for (int b = 0; b < 2; b++) {
            float down = bases[b], up = bases[b];
            values[count++] = bases[b];
            for (int k = 0; k < 2; k++) {
                values[count++] = down = nextafterf(down, -INFINITY);
                values[count++] = up = nextafterf(up, INFINITY);
            }
        }
    }
    CHECK(count <= n);
    round_all(type, values, count);
    free(values);
}

/* Floats of all signs and exponents, the NaNs with them. */
static void sample(int type, int bits)
{
    const size_t n = (size_t)1 << 20;
    float *const values = malloc(n * sizeof *values);

    CHECK(values);
    for (size_t pass = 0; pass < (size_t)1 << bits; pass += n) {
        for (size_t i = 0; i < n; i++) {
            const uint32_t high = (uint32_t)((pass + i) << (32 - bits));
            values[i] = from_bits(high | ((uint32_t)random_bits() & ((1u << (32 - bits)) - 1)));
        }
        round_all(type, values, n);
    }
    free(values);
}

void test_rounding(bool quick)
{
    static const int types[] = {GC_F32_F16, GC_F32_BF16};
    const int bits = quick ? 20 : 24;

    for (size_t k = 0; k < 2; k++) {
        for (int level = 0; level < GC_N_LEVELS; level++) {
            if (!gc_level_available(level))
                continue;
            CHECK(gc_level_force(level) == GC_OK);
            name_case("values of %s, %s", type_name(types[k]), gc_level_name(level));
            all_values(types[k], 65536);
            all_values(types[k], 1);
            all_values(types[k], 13);
        }
        around_ties(types[k]);
        sample(types[k], bits);
    }
    printf("   all 65536 values, all ties and 2^%d floats, to and from both types\n", bits);
}
