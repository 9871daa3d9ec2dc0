/* A sum with its data in guarded memory, run and compared with what it must give. */
#ifndef PROBLEM_H
#define PROBLEM_H

#include "oracle.h"

/* Which coefficients are zero. */
enum zeros {
    ZEROS_NONE,
    ZEROS_RANDOM,   /* so that each row has its own streams */
    ZEROS_COLUMNS,  /* whole columns */
    ZEROS_ALL,
    N_ZEROS
};

struct shape {
    bool encode;
    int type;                   /* enum gc_type */
    size_t n, parts, stride, length;
    bool accumulate;
    enum zeros zeros;
    bool specials;              /* NaN and infinities among the elements, and NaN wherever a coefficient is zero */
    size_t in_place, out_place; /* for guarded_place; in_place moves on from buffer to buffer unless AT_END */
};

struct problem {
    struct sum sum;
    struct shape shape;
    void *table, *before;
    const void **buffers;
    struct interval *expected;
};

/* Draw the data of a shape.  A buffer with zero coefficients only may be one that cannot be read. */
void problem_make(struct problem *problem, const struct shape *shape);
void problem_free(struct problem *problem);

/* Run it at the level in use; fail unless the result is right and nothing beside it has been written. */
void problem_run(const struct problem *problem, int num_threads, bool planned);

/* Run it at every level, once and planned. */
void problem_run_all(const struct problem *problem, int num_threads);

/* Free what problems have shared. */
void problems_done(void);

#endif
