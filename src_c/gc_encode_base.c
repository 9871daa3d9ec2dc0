/* Portable encode.  GC_BLOCK elements of the message stay in the first-level cache while all streams are added. */
#include "gc_internal.h"

#define GC_BLOCK ((size_t)1024)

#define REAL float
#define GC_LOCAL(name) name##_f32
#define GC_KERNEL gc_encode_f32_base
#include "gc_combine_body.h"
#include "gc_encode_body.h"
#undef REAL
#undef GC_LOCAL
#undef GC_KERNEL

#define REAL double
#define GC_LOCAL(name) name##_f64
#define GC_KERNEL gc_encode_f64_base
#include "gc_combine_body.h"
#include "gc_encode_body.h"
