#include "check.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char current_case[512] = "before the first case";

void name_case(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(current_case, sizeof current_case, format, arguments);
    va_end(arguments);
}

_Noreturn void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fprintf(stderr, "FAILED: %s: ", current_case);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

static void on_bad_access(int signal_number)
{
    (void)signal_number;
    fail("a byte was touched that belongs to no buffer");
}

void catch_bad_accesses(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_bad_access;
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0 && sigaction(SIGBUS, &action, NULL) == 0);
}

static uint64_t state;

void random_seed(uint64_t seed) { state = seed; }

/* splitmix64 */
uint64_t random_bits(void)
{
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

size_t random_below(size_t n) { return (size_t)(random_bits() % n); }

double random_value(void)
{
    const uint64_t bits = random_bits();
    const double unit = (double)(bits >> 11) * 0x1p-53;
    return (bits & 1 ? unit : -unit) * (double)(1u << (bits >> 1 & 7)) / 16;
}

static size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

void *guarded_place(struct guarded *guarded, size_t bytes, size_t itemsize, size_t place)
{
    const size_t page = page_size(), margin = place == AT_END ? 0 : place * itemsize;

    if (bytes + margin > guarded->capacity || !guarded->memory) {
        guarded_free(guarded);
        guarded->capacity = (bytes + margin + page) / page * page;
        char *const all =
            mmap(NULL, guarded->capacity + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(all != MAP_FAILED);
        CHECK(mprotect(all, page, PROT_NONE) == 0);
        CHECK(mprotect(all + page + guarded->capacity, page, PROT_NONE) == 0);
        guarded->memory = all + page;
    }
    return place == AT_END ? guarded->memory + guarded->capacity - bytes : guarded->memory + margin;
}

void guarded_free(struct guarded *guarded)
{
    if (guarded->memory)
        CHECK(munmap(guarded->memory - page_size(), guarded->capacity + 2 * page_size()) == 0);
    guarded->memory = NULL;
    guarded->capacity = 0;
}

#define MARK 0xa5
#define MARKED ((ptrdiff_t)256)

static ptrdiff_t margin(ptrdiff_t available) { return available < MARKED ? available : MARKED; }

void guarded_mark(const struct guarded *guarded, char *buffer, size_t bytes)
{
    char *const end = buffer + bytes;
    const ptrdiff_t before = margin(buffer - guarded->memory);
    const ptrdiff_t after = margin(guarded->memory + guarded->capacity - end);
    memset(buffer - before, MARK, (size_t)before);
    memset(end, MARK, (size_t)after);
}

bool guarded_untouched(const struct guarded *guarded, const char *buffer, size_t bytes)
{
    const char *const end = buffer + bytes;
    const ptrdiff_t before = margin(buffer - guarded->memory);
    const ptrdiff_t after = margin(guarded->memory + guarded->capacity - end);

    for (const char *byte = buffer - before; byte < buffer; byte++)
        if (*byte != (char)MARK)
            return false;
    for (const char *byte = end; byte < end + after; byte++)
        if (*byte != (char)MARK)
            return false;
    return true;
}

void *unreadable(void)
{
    static char *page;
    if (!page) {
        page = mmap(NULL, page_size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(page != MAP_FAILED);
    }
    return page + 64;
}
