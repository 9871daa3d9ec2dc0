/* The limits of the machine: loops that move bytes, and loops that multiply and add in registers.
 *
 * floor.py compiles this file for the processor at hand.  Lines are cache lines of 64 bytes. */
#include <stddef.h>
#include <stdint.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wpsabi"  /* only inline functions pass lines */
#endif

typedef int64_t line __attribute__((vector_size(64), may_alias));

enum { WRITTEN_AT_ONCE = 16 };  /* lines written between two reads, so that reading and writing overlap */

static inline void store(line *out, line value, int nontemporal)
{
#if defined(__AVX512F__)
    if (nontemporal) {
        _mm512_stream_si512((__m512i *)out, (__m512i)value);
        return;
    }
#elif defined(__SSE2__)
    if (nontemporal) {
        for (int i = 0; i < 4; i++)
            _mm_stream_si128((__m128i *)out + i, _mm_set_epi64x(value[2 * i + 1], value[2 * i]));
        return;
    }
#endif
    (void)nontemporal;  /* without SSE2 all stores are normal */
    *out = value;
}

static inline line read_one(const line *in, size_t n)
{
    line a = {0}, b = {0}, c = {0}, d = {0};
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        a ^= in[i];
        b ^= in[i + 1];
        c ^= in[i + 2];
        d ^= in[i + 3];
    }
    for (; i < n; i++) a ^= in[i];
    return a ^ b ^ c ^ d;
}

static inline line read_four(const line *in, size_t gap, size_t n)
{
    line a = {0}, b = {0}, c = {0}, d = {0};
    for (size_t i = 0; i < n; i++) {
        a ^= in[i];
        b ^= in[gap + i];
        c ^= in[2 * gap + i];
        d ^= in[3 * gap + i];
    }
    return a ^ b ^ c ^ d;
}

/* Read n_read lines, as one stream or four, and write n_write lines, alternating between reads and writes. */
static inline void move(const line *in, size_t n_read, line *out, size_t n_write, int four, int nontemporal)
{
    size_t steps = n_write / WRITTEN_AT_ONCE + 1, gap = n_read / 4;
    size_t to_read = four ? gap : n_read, each = to_read / steps, rest = to_read % steps, owed = 0, written = 0;
    line value = {0};
    for (size_t step = 0; step < steps; step++) {
        size_t n = each;
        owed += rest;
        if (owed >= steps) {
            owed -= steps;
            n++;
        }
        value ^= four ? read_four(in, gap, n) : read_one(in, n);
        in += n;
        size_t end = written + WRITTEN_AT_ONCE < n_write ? written + WRITTEN_AT_ONCE : n_write;
        for (; written < end; written++) store(out + written, value, nontemporal);
    }
    if (four)
        value ^= read_one(in + 3 * gap, n_read - 4 * gap);
    __asm__ volatile("" : : "m"(value) : "memory");  /* makes the compiler keep the reads */
}

/* Move the share of thread t. */
static void move_share(const line *in, size_t n_read, line *out, size_t n_write, int four, int nontemporal, size_t t,
                       size_t threads)
{
    size_t read = n_read / threads, write = n_write / threads;
    in += read * t;
    out += write * t;
    if (t + 1 == threads) {
        read = n_read - read * t;
        write = n_write - write * t;
    }
    if (four && nontemporal)
        move(in, read, out, write, 1, 1);
    else if (four)
        move(in, read, out, write, 1, 0);
    else if (nontemporal)
        move(in, read, out, write, 0, 1);
    else
        move(in, read, out, write, 0, 0);
#ifdef __SSE2__
    if (nontemporal)
        _mm_sfence();
#endif
}

/* Move `repeat` times, split over the threads. n_read and n_write count lines; buffers are aligned to a line. */
void floor_move(const void *in, size_t n_read, void *out, size_t n_write, int four, int nontemporal, int threads,
                size_t repeat)
{
    (void)threads;
    for (size_t r = 0; r < repeat; r++) {
#ifdef _OPENMP
        if (threads > 1) {
#pragma omp parallel for num_threads(threads) schedule(static, 1)
            for (int t = 0; t < threads; t++)
                move_share(in, n_read, out, n_write, four, nontemporal, (size_t)t, (size_t)threads);
            continue;
        }
#endif
        move_share(in, n_read, out, n_write, four, nontemporal, 0, 1);
    }
}

/* Multiply and add in registers of BYTES bytes: two operations per element, in twelve independent chains. */
#ifdef BYTES
#define CHAINS(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
#define START(i) vector a##i = factor + (i);
#define STEP(i) a##i = a##i * factor + term;
#define KEEP(i) __asm__ volatile("" : : "m"(a##i));
#define PEAK(name, real)                                                                                               \
    double name(size_t repeat)                                                                                         \
    {                                                                                                                  \
        typedef real vector __attribute__((vector_size(BYTES)));                                                       \
        real one = 1;                                                                                                  \
        __asm__("" : "+m"(one));                                                                                       \
        vector factor = (vector){0} + one, term = (vector){0} + one / 8;                                               \
        CHAINS(START)                                                                                                  \
        for (size_t r = 0; r < repeat; r++) {                                                                          \
            CHAINS(STEP)                                                                                               \
        }                                                                                                              \
        CHAINS(KEEP)                                                                                                   \
        return 2.0 * 12 * (BYTES / sizeof(real)) * (double)repeat;                                                     \
    }
PEAK(floor_peak_f32, float)
PEAK(floor_peak_f64, double)
#endif
