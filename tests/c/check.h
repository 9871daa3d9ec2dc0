/* What the tests of the C sources share: failing with the case's name, random numbers, guarded memory. */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Name the case at hand; it is printed if the case fails or the process is killed by a bad access. */
void name_case(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Print the case and the reason, and abort. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fail("%s:%d: %s does not hold", __FILE__, __LINE__, #condition);                                           \
    } while (0)

/* Let SIGSEGV and SIGBUS end in fail(). */
void catch_bad_accesses(void);

/* The same numbers in every run. */
uint64_t random_bits(void);
void random_seed(uint64_t seed);
size_t random_below(size_t n);          /* [0, n) */
double random_value(void);              /* of either sign, of several magnitudes */

/* Bytes between two pages that nobody may touch. */
struct guarded {
    char *memory;
    size_t capacity;
};

/* Put `bytes` at `place` items from the start, or for AT_END so that they end where the guard begins. */
#define AT_END SIZE_MAX
void *guarded_place(struct guarded *guarded, size_t bytes, size_t itemsize, size_t place);
void guarded_free(struct guarded *guarded);

/* Mark some bytes on both sides of a placed buffer; later check that they are as they were. */
void guarded_mark(const struct guarded *guarded, char *buffer, size_t bytes);
bool guarded_untouched(const struct guarded *guarded, const char *buffer, size_t bytes);

/* An address that is not null and cannot be read. */
void *unreadable(void);

#endif
