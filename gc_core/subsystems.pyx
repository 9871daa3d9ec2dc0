# cython: freethreading_compatible=True
"""Solve the linear systems of the survivors: all groups in one call, by LAPACK, without the GIL.

For each group, A = G[:, S]^T has a row per surviving message and a column per block.  A pivoted QR gives A P = Q R.
The small matrix R has the singular values of A, which give rank and condition.  If the rank is full, the weights are
the pseudoinverse A^+ = P R^{-1} Q^T: least squares over all messages at hand.
"""

import operator

import numpy as np

from libc.limits cimport INT_MAX
from libc.math cimport INFINITY, NAN, fabs
from libc.stddef cimport size_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

cimport numpy as cnp
from scipy.linalg.cython_blas cimport dtrsm
from scipy.linalg.cython_lapack cimport dgeqp3, dgesvd, dorgqr

from gc_core.status import KernelError

cnp.import_array()

cdef double EPS = np.finfo(np.float64).eps

# Within these bounds neither a norm nor the inverse of a well-conditioned system overflows.
cdef double LEAST_SCALE = 1e-100
cdef double LARGEST_SCALE = 1e100

# The routines that can fail, in the order of the numbers that `solve_group` returns.
ROUTINES = (None, "dgeqp3", "dgesvd", "dorgqr")


cdef struct Group:
    int rows          # survivors
    double *system    # A, rows x m, by columns; becomes Q
    double *weights   # m x rows, by rows
    cnp.npy_intp rank
    double condition


cdef struct Scratch:
    int work_size
    double *work
    double *triangle   # R, m x m by columns
    double *destroyed  # a copy of R for dgesvd
    double *singular
    double *tau
    int *pivots


def solve(generators, survivors):
    """Return the decoding weights, rank and condition of every group.

    Parameters
    ----------
    generators : sequence of ndarray, shape (m, d_q)
        The generator matrix of each group, float64 and C-contiguous; all with the same m.
    survivors : sequence of sequence of int
        For each group, the columns of its generator whose messages are at hand: distinct, in any order.

    Returns
    -------
    weights : list of ndarray, shape (m, r_q)
        The pseudoinverse of G[:, S]^T, columns in the order of the survivors; NaN where the rank is less than m.
    rank : ndarray of intp
        The number of singular values of G[:, S] above max(m, r_q) * eps * the largest.
    condition : ndarray of float64
        The largest over the smallest singular value; infinity where the rank is less than m.
    """
    cdef list matrices = list(generators), columns = list(survivors)
    cdef Py_ssize_t n_groups = len(matrices), q
    if len(columns) != n_groups:
        raise ValueError(f"survivors must have one entry for each of the {n_groups} generators, got {len(columns)}")
    check_generators(matrices)
    for q in range(n_groups):
        columns[q] = check_columns(q, columns[q], matrices[q].shape[1])

    weights = []
    rank = np.zeros(n_groups, dtype=np.intp)
    condition = np.full(n_groups, INFINITY)
    if n_groups == 0:
        return weights, rank, condition

    cdef Py_ssize_t parts = matrices[0].shape[0], largest = max(map(len, columns))
    if largest * parts > INT_MAX or parts * parts > INT_MAX:
        raise ValueError(f"a system must have at most {INT_MAX} elements, got {max(largest, parts)} x {parts}")
    cdef int m = <int>parts

    packed = np.empty(sum(map(len, columns)) * m)
    cdef double *next_system = <double *>cnp.PyArray_DATA(packed)
    cdef Group *groups = <Group *>malloc(n_groups * sizeof(Group))
    cdef Scratch scratch
    cdef int failed = 0, info = 0
    memset(&scratch, 0, sizeof(scratch))
    try:
        if groups == NULL:
            raise MemoryError(f"no memory for {n_groups} groups")
        for q in range(n_groups):
            result = np.empty((m, len(columns[q])))
            weights.append(result)
            groups[q].rows = <int>len(columns[q])
            groups[q].weights = <double *>cnp.PyArray_DATA(result)
            groups[q].system = next_system
            pack(q, matrices[q], columns[q], next_system)
            next_system += groups[q].rows * m
        allocate(&scratch, <int>largest, m)
        with nogil:
            for q in range(n_groups):
                failed = solve_group(&groups[q], m, &scratch, &info)
                if failed:
                    break
        if failed:
            raise KernelError(f"LAPACK {ROUTINES[failed]} failed on group {q} with info {info}", info)
        for q in range(n_groups):
            rank[q] = groups[q].rank
            condition[q] = groups[q].condition
    finally:
        free(groups)
        free(scratch.work)
        free(scratch.pivots)
    return weights, rank, condition


cdef int solve_group(Group *group, int m, Scratch *scratch, int *info) noexcept nogil:
    """Solve one group; return 0, or which routine failed, with its `info`."""
    cdef int rows = group.rows, least = min(rows, m), one = 1, i, k
    cdef int leading = max(rows, 1)  # LAPACK requires at least 1
    cdef double unit = 1.0, largest = 0.0
    cdef double *a = group.system
    cdef double *r = scratch.triangle
    group.rank = 0
    group.condition = INFINITY
    if rows > 0:
        memset(scratch.pivots, 0, m * sizeof(int))  # any column may be exchanged
        dgeqp3(&rows, &m, a, &leading, scratch.pivots, scratch.tau, scratch.work, &scratch.work_size, info)
        if info[0] != 0:
            return 1
        for k in range(m):
            for i in range(least):
                r[k * m + i] = a[<size_t>k * rows + i] if i <= k else 0.0
        memcpy(scratch.destroyed, r, <size_t>m * m * sizeof(double))
        dgesvd("N", "N", &least, &m, scratch.destroyed, &m, scratch.singular, NULL, &one, NULL, &one,
               scratch.work, &scratch.work_size, info)
        if info[0] != 0:
            return 2
        largest = scratch.singular[0]
        for i in range(least):
            if scratch.singular[i] > max(rows, m) * EPS * largest:
                group.rank += 1

    if group.rank < m:
        for i in range(m * rows):
            group.weights[i] = NAN
        return 0

    group.condition = largest / scratch.singular[m - 1]
    dorgqr(&rows, &m, &m, a, &leading, scratch.tau, scratch.work, &scratch.work_size, info)
    if info[0] != 0:
        return 3
    # A^+ = P (Q R^{-T})^T: column k of Q R^{-T} is the row of the weights to which column k of A P belongs.
    dtrsm("R", "U", "T", "N", &rows, &m, &unit, r, &m, a, &leading)
    for k in range(m):
        memcpy(group.weights + <size_t>(scratch.pivots[k] - 1) * rows, a + <size_t>k * rows, rows * sizeof(double))
    return 0


cdef int allocate(Scratch *scratch, int rows, int m) except -1:
    """Allocate what the largest group needs; LAPACK says how much work space that is."""
    cdef int query = -1, info = 0, one = 1, leading = max(rows, 1), least = min(rows, m)
    cdef double answer = 1.0, dummy = 0.0
    cdef int pivot = 0
    scratch.work_size = 1
    if rows > 0:
        dgeqp3(&rows, &m, &dummy, &leading, &pivot, &dummy, &answer, &query, &info)
        scratch.work_size = max(scratch.work_size, <int>answer)
        dgesvd("N", "N", &least, &m, &dummy, &m, &dummy, NULL, &one, NULL, &one, &answer, &query, &info)
        scratch.work_size = max(scratch.work_size, <int>answer)
        if rows >= m:
            dorgqr(&rows, &m, &m, &dummy, &leading, &dummy, &answer, &query, &info)
            scratch.work_size = max(scratch.work_size, <int>answer)
        # dgesvd may take another path for a smaller group; no path needs less than this.
        scratch.work_size = max(scratch.work_size, 5 * m)
    cdef size_t square = <size_t>m * m
    scratch.work = <double *>malloc((scratch.work_size + 2 * square + 2 * <size_t>m) * sizeof(double))
    scratch.pivots = <int *>malloc(m * sizeof(int))
    if scratch.work == NULL or scratch.pivots == NULL:
        raise MemoryError(f"no memory to solve systems of {rows} x {m}")
    scratch.triangle = scratch.work + scratch.work_size
    scratch.destroyed = scratch.triangle + square
    scratch.singular = scratch.destroyed + square
    scratch.tau = scratch.singular + m
    return 0


cdef int pack(Py_ssize_t q, cnp.ndarray generator, list columns, double *system) except -1:
    """Copy A = G[:, columns]^T by columns, that is, the chosen columns of G by rows."""
    cdef const double *g = <const double *>cnp.PyArray_DATA(generator)
    cdef Py_ssize_t m = cnp.PyArray_DIM(generator, 0), length = cnp.PyArray_DIM(generator, 1)
    cdef Py_ssize_t rows = len(columns), i, u, column
    cdef double largest = 0.0
    for i in range(rows):
        column = columns[i]
        for u in range(m):
            system[u * rows + i] = g[u * length + column]
            largest = max(largest, fabs(system[u * rows + i]))
    if largest != 0.0 and not LEAST_SCALE <= largest <= LARGEST_SCALE:
        raise ValueError(
            f"the largest magnitude of generators[{q}] in the columns of the survivors must be in "
            f"{LEAST_SCALE:g}..{LARGEST_SCALE:g}, got {largest:g}"
        )
    return 0


def check_generators(matrices):
    """Check all generators; check an array once even if many groups use it."""
    checked = set()
    for q, matrix in enumerate(matrices):
        if id(matrix) in checked:
            continue
        name = f"generators[{q}]"
        if not isinstance(matrix, np.ndarray):
            raise TypeError(f"{name} must be a numpy.ndarray, got {type(matrix).__name__}")
        if matrix.dtype != np.float64 or not matrix.dtype.isnative:
            raise TypeError(f"{name} must be float64 in native byte order, got {matrix.dtype.str}")
        if matrix.ndim != 2 or 0 in matrix.shape:
            raise ValueError(f"{name} must be a non-empty two-dimensional array, got shape {matrix.shape}")
        if not matrix.flags.c_contiguous or not matrix.flags.aligned:
            raise ValueError(f"{name} must be C-contiguous and aligned, got strides {matrix.strides}")
        if matrix.shape[0] != matrices[0].shape[0]:
            raise ValueError(
                f"{name} must have {matrices[0].shape[0]} rows, as generators[0] has, got {matrix.shape[0]}"
            )
        if not np.isfinite(matrix).all():
            raise ValueError(f"{name} must be finite, got {matrix[~np.isfinite(matrix)][0]}")
        checked.add(id(matrix))


cdef list check_columns(Py_ssize_t q, columns, Py_ssize_t length):
    """Return the survivors of one group as a list of distinct ints in 0..length-1."""
    cdef list result = []
    cdef set seen = set()
    for value in columns:
        column = value if type(value) is int else as_index(q, value, length)
        if not 0 <= column < length:
            raise ValueError(f"survivors[{q}] must be in 0..{length - 1}, got {column}")
        if column in seen:
            raise ValueError(f"survivors[{q}] must be distinct, got {column} twice")
        seen.add(column)
        result.append(column)
    return result


cdef as_index(Py_ssize_t q, value, Py_ssize_t length):
    """Return an integer of another type than int as an int; refuse a bool."""
    rule = f"survivors[{q}] must be integers in 0..{length - 1}, got {value!r}"
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(rule)
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(rule) from None
