# cython: freethreading_compatible=True
"""Checks of the arguments of calls and plans.

Arrays are read through the NumPy C API: checking type and flags takes a few nanoseconds per array, a typed memoryview
over a hundred.  No array is copied or cast: what the kernels cannot read is refused.
"""

from cpython.mem cimport PyMem_Free, PyMem_Malloc

cimport numpy as cnp

from numpy.ma import MaskedArray

cnp.import_array()

cdef enum:
    MANY_THREADS = 1 << 16  # more than any machine has


cdef int check_threads(count, str name="num_threads") except -1:
    """Return a number of threads, 0 for the default of the process."""
    if count is None:
        return 0
    rule = f"{name} must be an integer of at least 1, got {count!r}"
    if isinstance(count, bool) or not hasattr(count, "__index__"):
        raise TypeError(rule)
    if count < 1:
        raise ValueError(rule)
    return min(count, MANY_THREADS)


cdef tuple hold(str name, arrays):
    """Return the arrays as a tuple of our own, so that no other thread can free one during the call."""
    if not isinstance(arrays, (list, tuple)):
        raise TypeError(f"{name} must be a list or tuple of numpy.ndarray, got {type(arrays).__name__}")
    return tuple(arrays)


cdef int check_array(str name, Py_ssize_t index, array, int ndim) except -1:
    """Check what the kernels need of any array; the element type is checked elsewhere."""
    if not cnp.PyArray_Check(array):
        raise TypeError(f"{label(name, index)} must be a numpy.ndarray, got {type(array).__name__}")
    # Ask the type, not the array: isinstance would run the array's own __class__, which could free the other arrays.
    if not cnp.PyArray_CheckExact(array) and issubclass(type(array), MaskedArray):
        raise TypeError(
            f"{label(name, index)} must be a plain numpy.ndarray, got a MaskedArray, whose mask would be lost"
        )
    if cnp.PyArray_NDIM(array) != ndim:
        raise ValueError(f"{label(name, index)} must have {ndim} dimension{'s' * (ndim > 1)}, got {array.ndim}")
    if not cnp.PyArray_IS_C_CONTIGUOUS(array):
        raise ValueError(f"{label(name, index)} must be C-contiguous, got strides {array.strides} bytes")
    if not cnp.PyArray_ISBEHAVED_RO(array):
        raise ValueError(
            f"{label(name, index)} must be aligned and in native byte order, got dtype {array.dtype.str}, "
            f"aligned={array.flags.aligned}"
        )
    return 0


cdef int check_output(out, bint message) except -1:
    """Check `out` and return its element type; a message may have 16 bits."""
    check_array("out", -1, out, 1)
    cdef int kind = cnp.PyArray_TYPE(out)
    if kind != cnp.NPY_FLOAT32 and kind != cnp.NPY_FLOAT64 and not (message and is_half(kind)):
        types = "float32, float64, float16 or uint16 (bfloat16)" if message else "float32 or float64"
        raise TypeError(f"out must be {types}, got {out.dtype}")
    check_writeable(out)
    return kind


cdef int check_writeable(out) except -1:
    if not cnp.PyArray_ISWRITEABLE(out):
        raise ValueError("out must be writeable, got a read-only array")
    return 0


cdef int check_table(str name, array, int kind, out) except -1:
    """Check a matrix of coefficients or weights."""
    check_array(name, -1, array, 2)
    return check_input(name, -1, array, kind, out)


cdef cnp.npy_intp collect(str name, tuple arrays, int kind, out, const void **buffers) except -1:
    """Fill in the addresses of vectors of one length; return that length, or 0 without any vector."""
    cdef cnp.npy_intp size = 0
    cdef Py_ssize_t i
    for i in range(len(arrays)):
        array = arrays[i]
        check_array(name, i, array, 1)
        check_input(name, i, array, kind, out)
        if i == 0:
            size = cnp.PyArray_SIZE(array)
        elif cnp.PyArray_SIZE(array) != size:
            raise ValueError(
                f"{name}[{i}] must have {size} elements, as {name}[0] has, got {cnp.PyArray_SIZE(array)}"
            )
        buffers[i] = cnp.PyArray_DATA(array)
    return size


cdef int check_input(str name, Py_ssize_t index, array, int kind, out) except -1:
    """Check the type of an array that has passed `check_array`, and that it shares no byte with `out`."""
    if cnp.PyArray_TYPE(array) != kind:
        if kind == cnp.PyArray_TYPE(out):
            raise TypeError(f"{label(name, index)} must be {out.dtype} as out is, got {array.dtype}")
        wanted = cnp.PyArray_DescrFromType(kind)
        raise TypeError(f"{label(name, index)} must be {wanted} where out is {out.dtype}, got {array.dtype}")
    return check_apart(
        name, index, cnp.PyArray_DATA(array), cnp.PyArray_NBYTES(array), cnp.PyArray_DATA(out), cnp.PyArray_NBYTES(out)
    )


cdef int explain(str name, Py_ssize_t index, array, int kind, Py_ssize_t size) except -1:
    """Raise what is wrong with an array that is not as planned; pass one that is only of a subclass."""
    check_array(name, index, array, 1)
    if cnp.PyArray_TYPE(array) != kind:
        wanted = cnp.PyArray_DescrFromType(kind)
        raise TypeError(f"{label(name, index)} must be {wanted} as planned, got {array.dtype}")
    if cnp.PyArray_SIZE(array) != size:
        raise ValueError(f"{label(name, index)} must have {size} elements as planned, got {array.size}")
    return 0


cdef int overlap(str name, Py_ssize_t index) except -1:
    raise ValueError(f"out must not overlap {label(name, index)}, but they share memory")


cdef str label(str name, Py_ssize_t index):
    return name if index < 0 else f"{name}[{index}]"


cdef const void **heap_pointers(Py_ssize_t count) except NULL:
    cdef const void **pointers = <const void **>PyMem_Malloc(count * sizeof(void *))
    if pointers == NULL:
        raise MemoryError(f"no memory for the pointers to {count} buffers")
    return pointers


cdef void free_pointers(const void **pointers) noexcept:
    PyMem_Free(pointers)
