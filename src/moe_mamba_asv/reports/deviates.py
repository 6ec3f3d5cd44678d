"""Normal deviates of error rates, the scale of a DET curve."""

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Of the standard library, so that a report needs no SciPy; 2e-15 off SciPy at the most.
_INVERSE = np.frompyfunc(NormalDist().inv_cdf, 1, 1)


def normal_deviates(shares: ArrayLike) -> NDArray[np.float64]:
    """The values below which a standard normal variable falls with these probabilities.

    Args:
        shares: of any shape, above 0 and below 1.

    Returns:
        Of the same shape.

    Raises:
        statistics.StatisticsError: a share is 0, 1 or beyond.
    """
    return np.asarray(_INVERSE(np.asarray(shares, dtype=np.float64)), dtype=np.float64)
