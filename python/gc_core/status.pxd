# Raise KernelError unless `status` is GC_OK; takes the GIL only to raise.
cpdef int check(int status) except -1 nogil
# The text of a status; a constant string for any integer.
cdef const char *text(int status) noexcept nogil
