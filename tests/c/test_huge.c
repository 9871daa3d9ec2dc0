/* More than 2^31 elements, and more than 2^32 bytes: no index or product of sizes may be narrower than size_t.
 *
 * Little memory is needed: one small piece of it is mapped again and again, but for the last block. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "gradcode.h"
#include "tests.h"

#define PIECE ((size_t)2 << 20)
#define LENGTH (((size_t)1 << 31) + 5)

/* `bytes` of zeros: the last piece memory of its own, all others the same one. */
static char *map_again_and_again(size_t bytes, size_t *mapped)
{
    const int file = memfd_create("gradcode-test", 0);
    *mapped = (bytes + PIECE - 1) / PIECE * PIECE;
    char *const memory = mmap(NULL, *mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(file >= 0 && ftruncate(file, (off_t)PIECE) == 0);
    if (memory == MAP_FAILED)
        fail("no addresses for %zu bytes", bytes);
    for (size_t start = 0; start + PIECE < *mapped; start += PIECE)
        CHECK(mmap(memory + start, PIECE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) != MAP_FAILED);
    char *const last = memory + *mapped - PIECE;
    CHECK(mmap(last, PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == last);
    CHECK(close(file) == 0);
    return memory;
}

/* One gradient in many blocks, of which only the last has a coefficient. */
static void encode_last_block(void)
{
    const size_t parts = 4097, stride = (LENGTH + parts - 1) / parts, last = LENGTH - (parts - 1) * stride;
    const size_t bytes = LENGTH * sizeof(float);
    float *const gradient =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    float *const coefficients = calloc(parts, sizeof *coefficients), *const message = malloc(stride * sizeof *message);

    name_case("encode, 2^31 + 5 elements, last block, %s", gc_level_name(gc_level_current()));
    CHECK(gradient != MAP_FAILED && coefficients && message && last > 1000);
    coefficients[parts - 1] = 2;
    for (size_t t = 0; t < last; t++) gradient[LENGTH - last + t] = (float)(1 + t % 4096);
    const float *const gradients[] = {gradient};
    CHECK(gc_encode_f32(coefficients, 1, parts, stride, gradients, LENGTH, message, 0, 2) == GC_OK);
    for (size_t t = 0; t < stride; t++)
        if (message[t] != (t < last ? (float)(2 * (1 + t % 4096)) : 0))
            fail("element %zu is %.9g", t, message[t]);
    CHECK(munmap(gradient, bytes) == 0);
    free(coefficients);
    free(message);
}

/* One message into the last of many blocks; all others become zero. */
static void decode_last_block(void)
{
    const size_t parts = 4097, stride = (LENGTH + parts - 1) / parts, last = LENGTH - (parts - 1) * stride;
    size_t mapped;
    float *const out = (float *)(void *)map_again_and_again(LENGTH * sizeof(float), &mapped);
    float *const weights = calloc(parts, sizeof *weights);
    uint16_t *const message = malloc(stride * sizeof *message);

    name_case("decode, 2^31 + 5 elements, last block, %s", gc_level_name(gc_level_current()));
    CHECK(weights && message);
    weights[parts - 1] = 1;
    for (size_t t = 0; t < stride; t++) message[t] = (uint16_t)(0x3c00 + t % 1000); /* [1, 2) */
    const uint16_t *const messages[] = {message};
    CHECK(gc_decode_f16(weights, 1, parts, stride, messages, LENGTH, out, 0, 2) == GC_OK);
    const size_t own = (mapped - PIECE) / sizeof(float); /* before here, memory is shared */
    for (size_t i = own; i < LENGTH; i++) {
        const size_t t = i - (LENGTH - last);
        if (out[i] != (i < LENGTH - last ? 0 : 1 + (float)(t % 1000) / 1024))
            fail("element %zu is %.9g", i, out[i]);
    }
    CHECK(munmap(out, mapped) == 0);
    free(weights);
    free(message);
}

/* A real pass over all elements, the results of which repeat where memory does. */
static void encode_one_row(void)
{
    size_t mapped, message_mapped;
    float *const gradient = (float *)(void *)map_again_and_again(LENGTH * sizeof(float), &mapped);
    uint16_t *const message = (uint16_t *)(void *)map_again_and_again(LENGTH * sizeof(uint16_t), &message_mapped);
    const size_t own = (mapped - PIECE) / sizeof(float), period = PIECE / sizeof(float);
    const float one = 1;

    name_case("encode to bfloat16, 2^31 + 5 elements, one row, %s", gc_level_name(gc_level_current()));
    for (size_t t = 0; t < period; t++) gradient[t] = (float)(1 + t % 128);
    for (size_t t = own; t < LENGTH; t++) gradient[t] = (float)(129 + t % 64);
    const float *const gradients[] = {gradient};
    CHECK(gc_encode_bf16(&one, 1, 1, LENGTH, gradients, LENGTH, message, 0, 2) == GC_OK);
    for (size_t t = 0; t < LENGTH; t = t == period ? own - period : t + 1) {
        const uint32_t bits = (uint32_t)message[t] << 16;
        float value;
        memcpy(&value, &bits, sizeof value);
        if (value != (t < own ? (float)(1 + t % 128) : (float)(129 + t % 64)))
            fail("element %zu is %.9g", t, value);
    }
    CHECK(munmap(gradient, mapped) == 0 && munmap(message, message_mapped) == 0);
}

void test_huge(bool quick)
{
    CHECK(gc_level_force(GC_LEVEL_BASE) == GC_OK);
    for (int level = 0; level < GC_N_LEVELS; level++)
        if (gc_level_force(level) == GC_OK)
            encode_last_block();
    if (quick) {
        printf("   only the problem that reads little\n");
        return;
    }
    decode_last_block(); /* at the fastest level: indices are made in the same places at all */
    encode_one_row();
}
