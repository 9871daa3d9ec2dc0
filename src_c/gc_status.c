/* Texts of the statuses. */
#include "gradcode.h"

static const char *const messages[GC_N_STATUS] = {
    [GC_OK] = "no error",
    [GC_ERR_NULL] = "a required pointer is null",
    [GC_ERR_PARTS] = "parts must be at least 1, got 0",
    [GC_ERR_SIZE] = "parts * stride must be at least the length of the gradient",
    [GC_ERR_OVERFLOW] = "the product of the sizes does not fit in size_t",
    [GC_ERR_FLAGS] = "an unknown flag is set, or one that this operation does not take",
    [GC_ERR_LEVEL] = "no such level, or not available on this processor",
    [GC_ERR_TYPE] = "no such combination of element types",
    [GC_ERR_MEMORY] = "no memory for the plan",
    [GC_ERR_THREADS] = "the number of threads must be at least 1",
};

const char *gc_status_message(int status)
{
    if (status < 0 || status >= GC_N_STATUS || !messages[status])
        return "unknown status";
    return messages[status];
}
