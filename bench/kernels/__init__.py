"""What the kernels cost, beside the limits of the machine and other libraries: ``python -m bench.kernels --report``."""
