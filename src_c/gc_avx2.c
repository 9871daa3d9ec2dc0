/* Kernels for AVX2 with FMA and F16C: 16 vectors of 32 bytes. */
#include "gc_internal.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define GC_LEVEL avx2
#define GC_TARGET __attribute__((target("avx2,fma,f16c")))
#define GC_OP static inline __attribute__((always_inline)) GC_TARGET

/* At most 12 sums, the vectors of one stream and a weight. */
#define GC_MAX_MU 4
#define GC_WIDTH_1 8
#define GC_WIDTH_2 4
#define GC_WIDTH_3 4
#define GC_WIDTH_4 3

#define GC_LANES_f32 8
#define GC_LANES_f64 4
typedef __m256 gc_vector_f32;
typedef __m256d gc_vector_f64;

GC_OP __m256 gc_zero_f32(void) { return _mm256_setzero_ps(); }
GC_OP __m256 gc_broadcast_f32(const float *p) { return _mm256_broadcast_ss(p); }
GC_OP __m256 gc_load_f32(const float *p) { return _mm256_loadu_ps(p); }
GC_OP void gc_store_f32(float *p, __m256 v) { _mm256_storeu_ps(p, v); }
GC_OP void gc_stream_f32(float *p, __m256 v) { _mm256_stream_ps(p, v); }
GC_OP __m256 gc_fma_f32(__m256 a, __m256 b, __m256 c) { return _mm256_fmadd_ps(a, b, c); }
GC_OP __m256 gc_sum_f32(__m256 a, __m256 b) { return _mm256_add_ps(a, b); }

GC_OP __m256d gc_zero_f64(void) { return _mm256_setzero_pd(); }
GC_OP __m256d gc_broadcast_f64(const double *p) { return _mm256_broadcast_sd(p); }
GC_OP __m256d gc_load_f64(const double *p) { return _mm256_loadu_pd(p); }
GC_OP void gc_store_f64(double *p, __m256d v) { _mm256_storeu_pd(p, v); }
GC_OP void gc_stream_f64(double *p, __m256d v) { _mm256_stream_pd(p, v); }
GC_OP __m256d gc_fma_f64(__m256d a, __m256d b, __m256d c) { return _mm256_fmadd_pd(a, b, c); }
GC_OP __m256d gc_sum_f64(__m256d a, __m256d b) { return _mm256_add_pd(a, b); }

GC_OP __m256 gc_load_f16(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
GC_OP __m128i gc_to_f16(__m256 v) { return _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
GC_OP void gc_store_f16(uint16_t *p, __m256 v) { _mm_storeu_si128((__m128i *)p, gc_to_f16(v)); }
GC_OP void gc_stream_f16(uint16_t *p, __m256 v) { _mm_stream_si128((__m128i *)p, gc_to_f16(v)); }

GC_OP __m256 gc_load_bf16(const uint16_t *p)
{
    const __m256i bits = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(bits, 16));
}

GC_OP __m128i gc_to_bf16(__m256 v)
{
    const __m256i bits = _mm256_castps_si256(v), high = _mm256_srli_epi32(bits, 16);
    const __m256i even = _mm256_and_si256(high, _mm256_set1_epi32(1));
    const __m256i rounded =
        _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(bits, even), _mm256_set1_epi32(0x7fff)), 16);
    const __m256i quiet = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    const __m256i words = _mm256_blendv_epi8(rounded, quiet, nan);
    return _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

GC_OP void gc_store_bf16(uint16_t *p, __m256 v) { _mm_storeu_si128((__m128i *)p, gc_to_bf16(v)); }
GC_OP void gc_stream_bf16(uint16_t *p, __m256 v) { _mm_stream_si128((__m128i *)p, gc_to_bf16(v)); }

#define FENCE() _mm_sfence()
#include "gc_level_body.h"

#endif
