/* Kernels for AVX-512 (F, BW, DQ, VL): 32 vectors of 64 bytes. */
#include "gc_internal.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define GC_LEVEL avx512
#define GC_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")))
#define GC_OP static inline __attribute__((always_inline)) GC_TARGET

/* 24 sums, the vectors of one stream and its weights. */
#define GC_MAX_MU 8
#define GC_WIDTH_1 8
#define GC_WIDTH_2 8
#define GC_WIDTH_3 6
#define GC_WIDTH_4 6
#define GC_WIDTH_5 4
#define GC_WIDTH_6 4
#define GC_WIDTH_7 3
#define GC_WIDTH_8 3

#define GC_LANES_f32 16
#define GC_LANES_f64 8
typedef __m512 gc_vector_f32;
typedef __m512d gc_vector_f64;

GC_OP __m512 gc_zero_f32(void) { return _mm512_setzero_ps(); }
GC_OP __m512 gc_broadcast_f32(const float *p) { return _mm512_set1_ps(*p); }
GC_OP __m512 gc_load_f32(const float *p) { return _mm512_loadu_ps(p); }
GC_OP void gc_store_f32(float *p, __m512 v) { _mm512_storeu_ps(p, v); }
GC_OP void gc_stream_f32(float *p, __m512 v) { _mm512_stream_ps(p, v); }
GC_OP __m512 gc_fma_f32(__m512 a, __m512 b, __m512 c) { return _mm512_fmadd_ps(a, b, c); }
GC_OP __m512 gc_sum_f32(__m512 a, __m512 b) { return _mm512_add_ps(a, b); }

GC_OP __m512d gc_zero_f64(void) { return _mm512_setzero_pd(); }
GC_OP __m512d gc_broadcast_f64(const double *p) { return _mm512_set1_pd(*p); }
GC_OP __m512d gc_load_f64(const double *p) { return _mm512_loadu_pd(p); }
GC_OP void gc_store_f64(double *p, __m512d v) { _mm512_storeu_pd(p, v); }
GC_OP void gc_stream_f64(double *p, __m512d v) { _mm512_stream_pd(p, v); }
GC_OP __m512d gc_fma_f64(__m512d a, __m512d b, __m512d c) { return _mm512_fmadd_pd(a, b, c); }
GC_OP __m512d gc_sum_f64(__m512d a, __m512d b) { return _mm512_add_pd(a, b); }

GC_OP __m512 gc_load_f16(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
GC_OP __m256i gc_to_f16(__m512 v) { return _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
GC_OP void gc_store_f16(uint16_t *p, __m512 v) { _mm256_storeu_si256((__m256i *)p, gc_to_f16(v)); }
GC_OP void gc_stream_f16(uint16_t *p, __m512 v) { _mm256_stream_si256((__m256i *)p, gc_to_f16(v)); }

GC_OP __m512 gc_load_bf16(const uint16_t *p)
{
    const __m512i bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16));
}

/* Some processors have an instruction for this, but it treats subnormal numbers as zero. */
GC_OP __m256i gc_to_bf16(__m512 v)
{
    const __m512i bits = _mm512_castps_si512(v), high = _mm512_srli_epi32(bits, 16);
    const __m512i even = _mm512_and_si512(high, _mm512_set1_epi32(1));
    const __m512i rounded =
        _mm512_srli_epi32(_mm512_add_epi32(_mm512_add_epi32(bits, even), _mm512_set1_epi32(0x7fff)), 16);
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    return _mm512_cvtepi32_epi16(_mm512_mask_or_epi32(rounded, nan, high, _mm512_set1_epi32(0x40)));
}

GC_OP void gc_store_bf16(uint16_t *p, __m512 v) { _mm256_storeu_si256((__m256i *)p, gc_to_bf16(v)); }
GC_OP void gc_stream_bf16(uint16_t *p, __m512 v) { _mm256_stream_si256((__m256i *)p, gc_to_bf16(v)); }

#define FENCE() _mm_sfence()
#include "gc_level_body.h"

#endif
