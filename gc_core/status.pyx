# cython: freethreading_compatible=True
"""Turn a C status into a Python exception."""

from gc_core.c_api cimport GC_N_STATUS, GC_OK, gc_status_message


class KernelError(RuntimeError):
    """A C or LAPACK routine refused its arguments or failed.

    Attributes
    ----------
    status : int
        The status that it returned.
    """

    def __init__(self, text, status):
        super().__init__(text, status)
        self.status = status

    def __str__(self):
        return self.args[0]


cpdef int check(int status) except -1 nogil:
    if status == GC_OK:
        return 0
    with gil:
        raise KernelError(message(status), status)


def message(int status):
    """Return the text of a status; there is one for any integer."""
    return text(status).decode("ascii")


cdef const char *text(int status) noexcept nogil:
    return gc_status_message(status)


STATUSES = range(GC_N_STATUS)
