/* A program in plain C, compiled together with the kernels. Each of three workers sends a message of half the gradient's
 * length, and any two messages suffice to decode.
 *
 * In the source tree:
 *   cc -std=c11 -O3 -Isrc_c/include docs/examples/c/survivors.c src_c/gc_*.c -o survivors && ./survivors
 * Add -fopenmp to let the kernels use several threads. */
#include <stdio.h>
#include <stdlib.h>

#include "gradcode.h"

enum { LENGTH = 9, PARTS = 2, STRIDE = 5, WORKERS = 3 }; /* the second block is one element short */

/* Any status but GC_OK means wrong arguments or lack of memory. */
static void check(int status)
{
    if (status != GC_OK) {
        fprintf(stderr, "%s\n", gc_status_message(status));
        exit(1);
    }
}

int main(void)
{
    /* Worker w sends first block + w * second block. */
    const float coefficients[WORKERS][PARTS] = {{1, 0}, {1, 1}, {1, 2}};
    float gradient[LENGTH], messages[WORKERS][STRIDE];
    for (int t = 0; t < LENGTH; t++) gradient[t] = (float)(t + 1);

    for (int worker = 0; worker < WORKERS; worker++) {
        const void *const gradients[] = {gradient};
        gc_plan *plan;
        check(gc_plan_encode(&plan, GC_F32, coefficients[worker], 1, PARTS, STRIDE, LENGTH));
        check(gc_plan_run(plan, gradients, messages[worker], 0, 1));
        gc_plan_free(plan);
    }

    /* Worker 0 is lost.  From y1 = a + b and y2 = a + 2b: a = 2*y1 - y2 and b = y2 - y1. */
    const float weights[PARTS][2] = {{2, -1}, {-1, 1}};
    const void *const survivors[] = {messages[1], messages[2]};
    float decoded[LENGTH];
    gc_plan *plan; /* can be used for any number of rounds with these survivors */
    check(gc_plan_decode(&plan, GC_F32, weights, 2, PARTS, STRIDE, LENGTH));
    check(gc_plan_run(plan, survivors, decoded, 0, 1));
    gc_plan_free(plan);

    printf("level %s:", gc_level_name(gc_level_current()));
    for (int t = 0; t < LENGTH; t++) printf(" %g", decoded[t]);
    printf("\n");
    return 0;
}
