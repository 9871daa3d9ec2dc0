/**
 * @file gradcode_import.h
 * @brief The functions of gradcode.h for extension modules of Python, without linking to anything.
 *
 * Call gc_import() once in the module's initialisation, with the GIL held, and then gc_api->decode_f32(...) and so
 * on, with or without the GIL.  Each file that includes this header has its own gc_api and must call gc_import().
 * The level and the number of threads are those of the process: what Python sets holds here, too.
 */
#ifndef GRADCODE_IMPORT_H
#define GRADCODE_IMPORT_H

#include <Python.h>

#include "gradcode.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A number that grows when a member of struct gc_api changes its place or meaning, or when gradcode.h does.  A member
 * that is added at the end only makes `size` larger. */
#define GC_API_VERSION 1

/** Where Python keeps the struct. */
#define GC_API_CAPSULE "gc_core.kernels._c_api"

/** The functions of gradcode.h, named as there without the prefix. */
struct gc_api {
    size_t version;     /**< GC_API_VERSION */
    size_t size;        /**< sizeof(struct gc_api) */

    const char *(*status_message)(int status);
    const char *(*level_name)(int level);
    int (*level_available)(int level);
    int (*level_current)(void);
    int (*level_force)(int level);
    int (*threads_default)(void);
    int (*threads_set_default)(int num_threads);
    int (*threads_available)(void);
    int (*threads_for)(size_t bytes, int num_threads);

    int (*encode_f32)(const float *coefficients, size_t n_gradients, size_t parts, size_t stride,
                      const float *const *gradients, size_t length, float *message, unsigned flags, int num_threads);
    int (*encode_f64)(const double *coefficients, size_t n_gradients, size_t parts, size_t stride,
                      const double *const *gradients, size_t length, double *message, unsigned flags, int num_threads);
    int (*encode_f16)(const float *coefficients, size_t n_gradients, size_t parts, size_t stride,
                      const float *const *gradients, size_t length, uint16_t *message, unsigned flags, int num_threads);
    int (*encode_bf16)(const float *coefficients, size_t n_gradients, size_t parts, size_t stride,
                       const float *const *gradients, size_t length, uint16_t *message, unsigned flags,
                       int num_threads);
    int (*decode_f32)(const float *weights, size_t n_messages, size_t parts, size_t stride,
                      const float *const *messages, size_t length, float *out, unsigned flags, int num_threads);
    int (*decode_f64)(const double *weights, size_t n_messages, size_t parts, size_t stride,
                      const double *const *messages, size_t length, double *out, unsigned flags, int num_threads);
    int (*decode_f16)(const float *weights, size_t n_messages, size_t parts, size_t stride,
                      const uint16_t *const *messages, size_t length, float *out, unsigned flags, int num_threads);
    int (*decode_bf16)(const float *weights, size_t n_messages, size_t parts, size_t stride,
                       const uint16_t *const *messages, size_t length, float *out, unsigned flags, int num_threads);

    int (*plan_encode)(gc_plan **plan, int type, const void *coefficients, size_t n_gradients, size_t parts,
                       size_t stride, size_t length);
    int (*plan_decode)(gc_plan **plan, int type, const void *weights, size_t n_messages, size_t parts, size_t stride,
                       size_t length);
    int (*plan_run)(const gc_plan *plan, const void *const *buffers, void *out, unsigned flags, int num_threads);
    void (*plan_free)(gc_plan *plan);
};

#if defined(__GNUC__)
#define GC_MAY_BE_UNUSED __attribute__((unused))
#else
#define GC_MAY_BE_UNUSED
#endif

/** Null until gc_import() has succeeded. */
static const struct gc_api *gc_api GC_MAY_BE_UNUSED;

/** Import gc_core and take its functions; return 0, or -1 with ImportError or another exception of the import. */
GC_MAY_BE_UNUSED static int gc_import(void)
{
    const struct gc_api *const found = (const struct gc_api *)PyCapsule_Import(GC_API_CAPSULE, 0);

    if (!found) {
        /* A release without a capsule has no such attribute. */
        if (PyErr_ExceptionMatches(PyExc_AttributeError))
            PyErr_SetString(PyExc_ImportError, GC_API_CAPSULE " must exist, got a gc_core without it");
        return -1;
    }
    if (found->version != GC_API_VERSION || found->size < sizeof *found) {
        PyErr_Format(PyExc_ImportError,
                     GC_API_CAPSULE " must be of version %d and at least %zu bytes, got version %zu and %zu bytes",
                     GC_API_VERSION, sizeof *found, found->version, found->size);
        return -1;
    }
    gc_api = found;
    return 0;
}

#ifdef __cplusplus
}
#endif

#endif
