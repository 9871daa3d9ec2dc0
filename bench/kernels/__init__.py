"""Compare the kernels with the limits of the machine and other libraries: ``python -m bench.kernels --report``."""
