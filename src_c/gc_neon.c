/* Kernels for 64-bit ARM: 32 vectors of 16 bytes, fused multiply-add, conversions of half precision. */
#include "gc_internal.h"

#if defined(__aarch64__)

#include <arm_neon.h>

#define GC_LEVEL neon
#define GC_TARGET
#define GC_OP static inline __attribute__((always_inline))

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

#define GC_LANES_f32 4
#define GC_LANES_f64 2
typedef float32x4_t gc_vector_f32;
typedef float64x2_t gc_vector_f64;

GC_OP float32x4_t gc_zero_f32(void) { return vdupq_n_f32(0); }
GC_OP float32x4_t gc_broadcast_f32(const float *p) { return vld1q_dup_f32(p); }
GC_OP float32x4_t gc_load_f32(const float *p) { return vld1q_f32(p); }
GC_OP void gc_store_f32(float *p, float32x4_t v) { vst1q_f32(p, v); }
GC_OP void gc_stream_f32(float *p, float32x4_t v) { vst1q_f32(p, v); }
GC_OP float32x4_t gc_fma_f32(float32x4_t a, float32x4_t b, float32x4_t c) { return vfmaq_f32(c, a, b); }
GC_OP float32x4_t gc_sum_f32(float32x4_t a, float32x4_t b) { return vaddq_f32(a, b); }

GC_OP float64x2_t gc_zero_f64(void) { return vdupq_n_f64(0); }
GC_OP float64x2_t gc_broadcast_f64(const double *p) { return vld1q_dup_f64(p); }
GC_OP float64x2_t gc_load_f64(const double *p) { return vld1q_f64(p); }
GC_OP void gc_store_f64(double *p, float64x2_t v) { vst1q_f64(p, v); }
GC_OP void gc_stream_f64(double *p, float64x2_t v) { vst1q_f64(p, v); }
GC_OP float64x2_t gc_fma_f64(float64x2_t a, float64x2_t b, float64x2_t c) { return vfmaq_f64(c, a, b); }
GC_OP float64x2_t gc_sum_f64(float64x2_t a, float64x2_t b) { return vaddq_f64(a, b); }

GC_OP float32x4_t gc_load_f16(const uint16_t *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
GC_OP void gc_store_f16(uint16_t *p, float32x4_t v) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v))); }
GC_OP void gc_stream_f16(uint16_t *p, float32x4_t v) { gc_store_f16(p, v); }

GC_OP float32x4_t gc_load_bf16(const uint16_t *p) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16)); }

GC_OP void gc_store_bf16(uint16_t *p, float32x4_t v)
{
    const uint32x4_t bits = vreinterpretq_u32_f32(v), high = vshrq_n_u32(bits, 16);
    const uint32x4_t even = vandq_u32(high, vdupq_n_u32(1));
    const uint32x4_t rounded = vshrq_n_u32(vaddq_u32(vaddq_u32(bits, even), vdupq_n_u32(0x7fff)), 16);
    const uint32x4_t quiet = vorrq_u32(high, vdupq_n_u32(0x40));
    vst1_u16(p, vmovn_u32(vbslq_u32(vceqq_f32(v, v), rounded, quiet)));
}

GC_OP void gc_stream_bf16(uint16_t *p, float32x4_t v) { gc_store_bf16(p, v); }

#define FENCE() ((void)0)
#include "gc_level_body.h"

#endif
