/* Portable decode.  GC_BLOCK elements of every message are read from memory once and from cache for each later row. */
#include "gc_internal.h"

#define GC_BLOCK ((size_t)1024)

#define REAL float
#define GC_LOCAL(name) name##_f32
#define GC_KERNEL gc_decode_f32_base
#include "gc_combine_body.h"
#include "gc_decode_body.h"
#undef REAL
#undef GC_LOCAL
#undef GC_KERNEL

#define REAL double
#define GC_LOCAL(name) name##_f64
#define GC_KERNEL gc_decode_f64_base
#include "gc_combine_body.h"
#include "gc_decode_body.h"
