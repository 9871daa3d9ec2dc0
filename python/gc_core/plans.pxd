# Prepared encodes and decodes; without Python objects, use the plan_ functions of gc_core.kernels.

from gc_core.c_api cimport gc_plan


cdef class Plan:
    cdef gc_plan *plan
    cdef readonly Py_ssize_t n_inputs       # gradients or messages
    cdef readonly Py_ssize_t parts
    cdef readonly Py_ssize_t gradient_size
    cdef readonly Py_ssize_t message_size
    cdef readonly object dtype              # of gradients
    cdef readonly object message_dtype
    cdef readonly object num_threads
    cdef Py_ssize_t in_size, out_size, in_bytes, out_bytes
    cdef int in_kind, out_kind, threads
    cdef bint brief                         # keeps the GIL
    cdef str inputs
    cdef object prepare(self, bint encode, table, gradient_size, message_size, dtype, message_dtype, num_threads)
    cdef object run(self, arrays, out, bint accumulate)


cdef class EncodePlan(Plan):
    pass


cdef class DecodePlan(Plan):
    pass
