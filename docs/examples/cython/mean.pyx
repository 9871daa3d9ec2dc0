# cython: language_level=3, freethreading_compatible=True
"""A Cython module that uses the kernels of the installed gc_core. It cimports them and links to nothing.

    cython mean.pyx
    cc -O2 -shared -fPIC $(python3-config --includes) \
        -I"$(python3 -c 'import gc_core; print(gc_core.get_include())')" \
        mean.c -o mean$(python3-config --extension-suffix)
"""

from libc.stdlib cimport free, malloc

from gc_core.kernels cimport decode_f32


def mean(list vectors not None, float[::1] out not None):
    """Write the mean of float32 vectors of one length to `out`, without the GIL."""
    cdef size_t n = len(vectors), length = out.shape[0], i
    cdef list views = []  # keeps the vectors alive
    cdef const float[::1] view
    if n == 0 or length == 0:
        raise ValueError("vectors and out must not be empty")
    cdef const float **messages = <const float **>malloc(n * sizeof(float *))
    cdef float *weights = <float *>malloc(n * sizeof(float))
    try:
        if messages == NULL or weights == NULL:
            raise MemoryError
        for i in range(n):
            view = vectors[i]
            if <size_t>view.shape[0] != length:
                raise ValueError(f"vectors[{i}] must have {length} elements like out, got {view.shape[0]}")
            if &view[0] < &out[0] + length and &out[0] < &view[0] + length:
                raise ValueError(f"out must not overlap vectors[{i}], but they share memory")
            views.append(view)
            messages[i] = &view[0]
            weights[i] = 1.0 / n
        with nogil:
            decode_f32(weights, n, 1, length, messages, length, &out[0], False, 0)
    finally:
        free(messages)
        free(weights)
