from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

def solve(
    generators: Sequence[npt.NDArray[np.float64]], survivors: Sequence[Sequence[int]]
) -> tuple[list[npt.NDArray[np.float64]], npt.NDArray[np.intp], npt.NDArray[np.float64]]: ...
