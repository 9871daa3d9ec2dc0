/* The four strips for MU rows: of the full width, of two vectors and of one, and of the full width with prefetching.
 * Included by gc_kernel_body.h, which defines MU. */

#define AHEAD 0
#define NV GC_PASTE(GC_WIDTH_, MU)
#define STRIP GC_PASTE(GC_PASTE(LOCAL(strip_), MU), _full)
#include "gc_strip_body.h"
#undef STRIP
#undef NV
#define NV 2
#define STRIP GC_PASTE(GC_PASTE(LOCAL(strip_), MU), _two)
#include "gc_strip_body.h"
#undef STRIP
#undef NV
#define NV 1
#define STRIP GC_PASTE(GC_PASTE(LOCAL(strip_), MU), _one)
#include "gc_strip_body.h"
#undef STRIP
#undef NV
#undef AHEAD

#define AHEAD 1
#define NV GC_PASTE(GC_WIDTH_, MU)
#define STRIP GC_PASTE(GC_PASTE(LOCAL(strip_), MU), _ahead)
#include "gc_strip_body.h"
#undef STRIP
#undef NV
#undef AHEAD
#undef MU
