/* Levels can be asked and forced; one that is not available is refused and changes nothing. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "gradcode.h"
#include "tests.h"

void test_levels(bool quick)
{
    static const char *const names[GC_N_LEVELS] = {"base", "neon", "avx2", "avx512"};
    static const int none[] = {-1, GC_N_LEVELS, 1 << 30};
    int fastest = -1;

    (void)quick;
    name_case("levels");
    const int first = gc_level_current();
    CHECK(gc_level_available(GC_LEVEL_BASE) == 1);
    for (int level = 0; level < GC_N_LEVELS; level++) {
        CHECK(strcmp(gc_level_name(level), names[level]) == 0);
        if (gc_level_available(level)) {
            fastest = level;
            CHECK(gc_level_force(level) == GC_OK && gc_level_current() == level);
        } else {
            const int before = gc_level_current();
            CHECK(gc_level_force(level) == GC_ERR_LEVEL && gc_level_current() == before);
        }
    }
    CHECK(first == fastest);
    for (size_t i = 0; i < 3; i++) {
        const int before = gc_level_current();
        CHECK(gc_level_name(none[i]) == NULL && gc_level_available(none[i]) == 0);
        CHECK(gc_level_force(none[i]) == GC_ERR_LEVEL && gc_level_current() == before);
    }
#if defined(__aarch64__)
    CHECK(gc_level_available(GC_LEVEL_NEON) && !gc_level_available(GC_LEVEL_AVX2));
#elif defined(__x86_64__)
    CHECK(!gc_level_available(GC_LEVEL_NEON));
    CHECK(gc_level_available(GC_LEVEL_AVX2) >= gc_level_available(GC_LEVEL_AVX512));
#endif
}
