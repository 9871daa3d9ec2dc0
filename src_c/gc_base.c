/* Kernels in portable C: the vectors of 16 bytes that GCC and Clang offer on any processor. */
#include <string.h>

#include "gc_internal.h"

#define GC_LEVEL base
#define GC_TARGET
#define GC_OP static inline __attribute__((always_inline))

/* Without fused multiply-add a product takes a register too: at most 9 sums in 16 registers. */
#define GC_MAX_MU 4
#define GC_WIDTH_1 6
#define GC_WIDTH_2 4
#define GC_WIDTH_3 3
#define GC_WIDTH_4 2

#define GC_LANES_f32 4
#define GC_LANES_f64 2
typedef float gc_vector_f32 __attribute__((vector_size(16)));
typedef double gc_vector_f64 __attribute__((vector_size(16)));
typedef uint32_t gc_words __attribute__((vector_size(16)));
typedef uint16_t gc_halves __attribute__((vector_size(8)));

GC_OP gc_vector_f32 gc_zero_f32(void) { return (gc_vector_f32){0}; }
GC_OP gc_vector_f32 gc_broadcast_f32(const float *p) { return (gc_vector_f32){*p, *p, *p, *p}; }
GC_OP void gc_store_f32(float *p, gc_vector_f32 v) { memcpy(p, &v, sizeof v); }
GC_OP gc_vector_f32 gc_fma_f32(gc_vector_f32 a, gc_vector_f32 b, gc_vector_f32 c) { return a * b + c; }
GC_OP gc_vector_f32 gc_sum_f32(gc_vector_f32 a, gc_vector_f32 b) { return a + b; }

GC_OP gc_vector_f32 gc_load_f32(const float *p)
{
    gc_vector_f32 v;
    memcpy(&v, p, sizeof v);
    return v;
}

GC_OP gc_vector_f64 gc_zero_f64(void) { return (gc_vector_f64){0}; }
GC_OP gc_vector_f64 gc_broadcast_f64(const double *p) { return (gc_vector_f64){*p, *p}; }
GC_OP void gc_store_f64(double *p, gc_vector_f64 v) { memcpy(p, &v, sizeof v); }
GC_OP gc_vector_f64 gc_fma_f64(gc_vector_f64 a, gc_vector_f64 b, gc_vector_f64 c) { return a * b + c; }
GC_OP gc_vector_f64 gc_sum_f64(gc_vector_f64 a, gc_vector_f64 b) { return a + b; }

GC_OP gc_vector_f64 gc_load_f64(const double *p)
{
    gc_vector_f64 v;
    memcpy(&v, p, sizeof v);
    return v;
}

#if defined(__SSE2__)
#include <emmintrin.h>
GC_OP void gc_stream_f32(float *p, gc_vector_f32 v) { _mm_stream_ps(p, (__m128)v); }
GC_OP void gc_stream_f64(double *p, gc_vector_f64 v) { _mm_stream_pd(p, (__m128d)v); }
#define FENCE() _mm_sfence()
#else
GC_OP void gc_stream_f32(float *p, gc_vector_f32 v) { gc_store_f32(p, v); }
GC_OP void gc_stream_f64(double *p, gc_vector_f64 v) { gc_store_f64(p, v); }
#define FENCE() ((void)0)
#endif

GC_OP gc_words gc_all(uint32_t word) { return (gc_words){word, word, word, word}; }
GC_OP gc_words gc_choose(gc_words mask, gc_words a, gc_words b) { return (mask & a) | (~mask & b); }

GC_OP gc_words gc_load_words(const uint16_t *p)
{
    gc_halves v;
    memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, gc_words);
}

GC_OP void gc_store_words(uint16_t *p, gc_words words)
{
    const gc_halves v = __builtin_convertvector(words, gc_halves);
    memcpy(p, &v, sizeof v);
}

/* From half precision: add 112 to the exponent.  A subtraction makes subnormal numbers, and infinity and NaN keep the
 * largest exponent. */
GC_OP gc_vector_f32 gc_load_f16(const uint16_t *p)
{
    const gc_words half = gc_load_words(p), sign = (half & 0x8000) << 16, magnitude = (half & 0x7fff) << 13;
    const gc_words normal = magnitude + ((uint32_t)112 << 23), special = magnitude + ((uint32_t)224 << 23);
    const gc_words least = gc_all((uint32_t)113 << 23);
    const gc_words subnormal = (gc_words)((gc_vector_f32)(magnitude + least) - (gc_vector_f32)least);
    const gc_words is_special = (gc_words)(magnitude >= gc_all(0x7c00 << 13));
    const gc_words is_subnormal = (gc_words)(magnitude < gc_all(0x0400 << 13));
    const gc_words quiet = (gc_words)(magnitude > gc_all(0x7c00 << 13)) & 0x00400000;
    return (gc_vector_f32)(gc_choose(is_subnormal, subnormal, gc_choose(is_special, special | quiet, normal)) | sign);
}

/* To half precision, to nearest even: add half a unit if the result is normal, else let an addition round. */
GC_OP void gc_store_f16(uint16_t *p, gc_vector_f32 v)
{
    const gc_words bits = (gc_words)v, sign = bits & 0x80000000, magnitude = bits ^ sign;
    const gc_words normal = (magnitude - ((uint32_t)112 << 23) + 0xfff + ((magnitude >> 13) & 1)) >> 13;
    const gc_words half = gc_all((uint32_t)126 << 23); /* 0.5: its unit is the unit of subnormal halves, 2^-24 */
    const gc_words subnormal = (gc_words)((gc_vector_f32)magnitude + (gc_vector_f32)half) - half;
    const gc_words is_nan = (gc_words)(magnitude > gc_all(0x7f800000));
    const gc_words is_large = (gc_words)(magnitude >= gc_all((uint32_t)143 << 23)); /* 65536 and above: infinite */
    const gc_words is_subnormal = (gc_words)(magnitude < gc_all((uint32_t)113 << 23));
    const gc_words special = gc_choose(is_nan, ((magnitude >> 13) & 0x3ff) | 0x7e00, gc_all(0x7c00));
    const gc_words result = gc_choose(is_subnormal, subnormal, gc_choose(is_large, special, normal));
    gc_store_words(p, result | (sign >> 16));
}

GC_OP void gc_stream_f16(uint16_t *p, gc_vector_f32 v) { gc_store_f16(p, v); }

GC_OP gc_vector_f32 gc_load_bf16(const uint16_t *p) { return (gc_vector_f32)(gc_load_words(p) << 16); }

GC_OP void gc_store_bf16(uint16_t *p, gc_vector_f32 v)
{
    const gc_words bits = (gc_words)v, high = bits >> 16;
    const gc_words rounded = (bits + 0x7fff + (high & 1)) >> 16;
    const gc_words is_nan = (gc_words)((bits & 0x7fffffff) > gc_all(0x7f800000));
    gc_store_words(p, gc_choose(is_nan, high | 0x40, rounded));
}

GC_OP void gc_stream_bf16(uint16_t *p, gc_vector_f32 v) { gc_store_bf16(p, v); }

#include "gc_level_body.h"
