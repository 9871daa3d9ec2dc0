/* The public entries: check the arguments, then run a plan. */
#include <stdlib.h>

#include "gc_internal.h"

static int op_of(int type, bool encode, enum gc_op *op)
{
    static const enum gc_op encodes[GC_N_TYPES] = {GC_OP_F32, GC_OP_F64, GC_OP_TO_F16, GC_OP_TO_BF16};
    static const enum gc_op decodes[GC_N_TYPES] = {GC_OP_F32, GC_OP_F64, GC_OP_FROM_F16, GC_OP_FROM_BF16};

    if (type < 0 || type >= GC_N_TYPES)
        return GC_ERR_TYPE;
    *op = encode ? encodes[type] : decodes[type];
    return GC_OK;
}

int gc_plan_run(const gc_plan *plan, const void *const *buffers, void *out, unsigned flags, int num_threads)
{
    if (!plan || (plan->n_buffers > 0 && !buffers) || (plan->out_size > 0 && !out))
        return GC_ERR_NULL;
    if (flags & ~(unsigned)GC_ACCUMULATE)
        return GC_ERR_FLAGS;
    if ((flags & GC_ACCUMULATE) && (plan->op == GC_OP_TO_F16 || plan->op == GC_OP_TO_BF16))
        return GC_ERR_FLAGS;
    if (num_threads < 0)
        return GC_ERR_THREADS;
    if (plan->in_size > 0)
        for (size_t i = 0; i < plan->n_buffers; i++)
            if (!buffers[i])
                return GC_ERR_NULL;

    gc_kernel *const kernel = gc_level_kernels()[plan->op];
    const int threads = gc_threads_for(plan->bytes, num_threads);
    if (threads > 1)
        gc_threads_run(kernel, plan, buffers, out, flags & GC_ACCUMULATE, threads);
    else
        kernel(plan, buffers, out, flags & GC_ACCUMULATE, 0, plan->stride);
    return GC_OK;
}

static int plan_new(gc_plan **plan, int type, bool encode, const void *table, size_t n, size_t parts, size_t stride,
                    size_t length)
{
    enum gc_op op;
    if (!plan)
        return GC_ERR_NULL;
    *plan = NULL;
    const int status = op_of(type, encode, &op);
    return status != GC_OK ? status : gc_plan_make(plan, NULL, 0, op, encode, table, n, parts, stride, length);
}

int gc_plan_encode(gc_plan **plan, int type, const void *coefficients, size_t n_gradients, size_t parts, size_t stride,
                   size_t length)
{
    return plan_new(plan, type, true, coefficients, n_gradients, parts, stride, length);
}

int gc_plan_decode(gc_plan **plan, int type, const void *weights, size_t n_messages, size_t parts, size_t stride,
                   size_t length)
{
    return plan_new(plan, type, false, weights, n_messages, parts, stride, length);
}

void gc_plan_free(gc_plan *plan) { free(plan); }

/* Plan and run in one call. */
static int run_once(enum gc_op op, bool encode, const void *table, size_t n, size_t parts, size_t stride,
                    const void *const *buffers, size_t length, void *out, unsigned flags, int num_threads)
{
    _Alignas(16) char memory[GC_STACK_PLAN_BYTES];
    gc_plan *plan;
    int status = gc_plan_make(&plan, memory, sizeof memory, op, encode, table, n, parts, stride, length);

    if (status != GC_OK)
        return status;
    status = gc_plan_run(plan, buffers, out, flags, num_threads);
    if ((void *)plan != (void *)memory)
        free(plan);
    return status;
}

#define ENCODE(name, op, real, message_type)                                                                           \
    int name(const real *coefficients, size_t n_gradients, size_t parts, size_t stride, const real *const *gradients,  \
             size_t length, message_type *message, unsigned flags, int num_threads)                                    \
    {                                                                                                                  \
        return run_once(op, true, coefficients, n_gradients, parts, stride, (const void *const *)gradients, length,    \
                        message, flags, num_threads);                                                                  \
    }

#define DECODE(name, op, real, message_type)                                                                           \
    int name(const real *weights, size_t n_messages, size_t parts, size_t stride, const message_type *const *messages, \
             size_t length, real *out, unsigned flags, int num_threads)                                                \
    {                                                                                                                  \
        return run_once(op, false, weights, n_messages, parts, stride, (const void *const *)messages, length, out,     \
                        flags, num_threads);                                                                           \
    }

ENCODE(gc_encode_f32, GC_OP_F32, float, float)
ENCODE(gc_encode_f64, GC_OP_F64, double, double)
ENCODE(gc_encode_f16, GC_OP_TO_F16, float, uint16_t)
ENCODE(gc_encode_bf16, GC_OP_TO_BF16, float, uint16_t)
DECODE(gc_decode_f32, GC_OP_F32, float, float)
DECODE(gc_decode_f64, GC_OP_F64, double, double)
DECODE(gc_decode_f16, GC_OP_FROM_F16, float, uint16_t)
DECODE(gc_decode_bf16, GC_OP_FROM_BF16, float, uint16_t)
