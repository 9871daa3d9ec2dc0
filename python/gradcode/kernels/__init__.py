"""Encode and decode arrays of any library: the only way to the compiled kernels.

A gradient of l elements is cut into m contiguous blocks of L elements, L being the `message_size`; the last
blocks may be short or empty and count as padded with zeros. A message is a linear combination of blocks, and a
decoded gradient is a linear combination of messages.

No array is copied or cast. Arrays must be contiguous, aligned, and of native float32 or float64; others are refused.
The small tables of coefficients and weights are rounded to the type of the arrays.

Messages of float32 gradients may have 16 bits, float16 or bfloat16 (`wire_dtype`). They are summed in float32 and
rounded once, to nearest even. Numbers of 65520 and more become infinite in float16.

======================  ==========================================================================================
`encode`, `decode`      take NumPy arrays, arrays with DLPack (PyTorch, JAX), and buffers (``array.array``)
`EncodePlan`            prepares many encodes of NumPy arrays; `DecodePlan` prepares decodes
`message_size`          and `message_dtype`: size and type of a buffer for a message
`message_type`          name, buffer type, precision and condition limit of messages, as a `MessageType`
`wire_name`             the name of a 16-bit type, checked
`set_num_threads`       also `num_threads` and `threads_available`: threads of calls without ``num_threads=``
`solve`                 solves the systems of survivors
======================  ==========================================================================================

Examples
--------
>>> import numpy as np
>>> from gradcode import kernels
>>> gradient = np.array([1.0, 2.0, 3.0, 4.0, 5.0], np.float32)
>>> messages = [kernels.encode(row, gradient) for row in ([1, 1], [1, -1])]
>>> kernels.decode([[0.5, 0.5], [0.5, -0.5]], messages, 5)
array([1., 2., 3., 4., 5.], dtype=float32)

With messages of half the size:

>>> short = [kernels.encode(row, gradient, wire_dtype="bfloat16") for row in ([1, 1], [1, -1])]
>>> short[0].dtype == kernels.message_dtype("float32", "bfloat16")
True
>>> kernels.decode([[0.5, 0.5], [0.5, -0.5]], short, 5, wire_dtype="bfloat16")
array([1., 2., 3., 4., 5.], dtype=float32)

The same, prepared for many calls, into one buffer:

>>> plan = kernels.EncodePlan(np.ones((1, 2), np.float32), 5, kernels.message_size(5, 2, "float32"), "float32")
>>> plan.encode(gradient, np.empty(3, np.float32))
array([5., 7., 3.], dtype=float32)
"""

from gc_core import DecodePlan, EncodePlan, solve
from gradcode.kernels.combine import decode, encode
from gradcode.kernels.messages import MessageType, message_dtype, message_type, wire_name
from gradcode.kernels.sizes import message_size
from gradcode.kernels.threads import num_threads, set_num_threads, threads_available

__all__ = [
    "DecodePlan",
    "EncodePlan",
    "MessageType",
    "decode",
    "encode",
    "message_dtype",
    "message_size",
    "message_type",
    "num_threads",
    "set_num_threads",
    "solve",
    "threads_available",
    "wire_name",
]
