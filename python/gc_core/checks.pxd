# Checks of arguments, for the modules of gc_core only.  What a call of a plan needs is inline.

from cpython.object cimport PyObject
from libc.stddef cimport size_t
from libc.stdint cimport uintptr_t

cimport numpy as cnp

cdef extern from *:
    """
    /* Whether an object is a plain array, and a vector of this type and size that the kernels can read. */
    static inline int gc_is_as_planned(PyObject *object, int kind, Py_ssize_t size)
    {
        if (!PyArray_CheckExact(object))
            return 0;
        PyArrayObject *const array = (PyArrayObject *)object;
        return PyArray_NDIM(array) == 1 && PyArray_TYPE(array) == kind && PyArray_DIMS(array)[0] == size &&
               PyArray_ISCARRAY_RO(array);
    }

    static inline void *gc_data_of(PyObject *array) { return PyArray_DATA((PyArrayObject *)array); }
    """
    bint is_as_planned "gc_is_as_planned"(PyObject *object, int kind, Py_ssize_t size) noexcept
    void *data_of "gc_data_of"(PyObject *array) noexcept

cdef enum:
    STACK_POINTERS = 64     # the pointers of at most this many buffers need no allocation

# All of these raise, and name the argument, the rule and the value.  An array is called `name`, or `name[index]` where
# `index` is not negative; `kind` is its type number in NumPy.
cdef int check_threads(count, str name=*) except -1
cdef tuple hold(str name, arrays)
cdef int check_array(str name, Py_ssize_t index, array, int ndim) except -1
cdef int check_output(out, bint message) except -1
cdef int check_writeable(out) except -1
cdef int check_table(str name, array, int kind, out) except -1
cdef cnp.npy_intp collect(str name, tuple arrays, int kind, out, const void **buffers) except -1
cdef int explain(str name, Py_ssize_t index, array, int kind, Py_ssize_t size) except -1
cdef int overlap(str name, Py_ssize_t index) except -1
cdef const void **heap_pointers(Py_ssize_t count) except NULL
cdef void free_pointers(const void **pointers) noexcept


cdef inline bint is_half(int kind) noexcept:
    # Whether this type is for messages only: float16, or uint16 for bfloat16.
    return kind == cnp.NPY_FLOAT16 or kind == cnp.NPY_UINT16


cdef inline int real_kind(int kind) noexcept:
    # The type in which sums are made for messages of this type.
    return cnp.NPY_FLOAT32 if is_half(kind) else kind


cdef inline int check_vector(str name, Py_ssize_t index, array, int kind, Py_ssize_t size) except -1:
    # Check an array against a known type and size; a good one costs a few comparisons.
    if is_as_planned(<PyObject *>array, kind, size):
        return 0
    return explain(name, index, array, kind, size)


cdef inline int check_apart(str name, Py_ssize_t index, const void *array, size_t size, const void *out,
                            size_t out_size) except -1:
    # Check that an array of `size` bytes and the output share no byte.
    cdef uintptr_t first = <uintptr_t>array, out_first = <uintptr_t>out
    if size > 0 and out_size > 0 and first < out_first + out_size and out_first < first + size:
        return overlap(name, index)
    return 0


cdef inline const void **allocate(const void **stack, Py_ssize_t count) except NULL:
    # Return room for `count` pointers: `stack`, or memory that `release` frees.
    return stack if count <= STACK_POINTERS else heap_pointers(count)


cdef inline void release(const void **stack, const void **buffers) noexcept:
    if buffers != stack:
        free_pointers(buffers)
