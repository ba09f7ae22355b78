"""How the residuals of a pose are distributed: a histogram against the Gaussian of their robust scale."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from core.iterate import Array
from core.registration.metrics import residual_scale


@dataclass(frozen=True, slots=True, eq=False)
class ResidualDistribution:
    """Counts of signed residuals in bins of equal width about their median.

    Attributes
    ----------
    edges : (bins + 1,) [m].
    counts : (bins,) residuals in each bin, [edge, next edge), the last one closed.
    expected : (bins,) counts of a Gaussian with the same median and robust scale.
    median, scale : [m]; scale = 1.4826 · MAD.
    below, above : residuals outside the edges.
    matched, unmatched : points with and without a partner.
    """

    edges: Array
    counts: NDArray[np.int64]
    expected: Array
    median: float
    scale: float
    below: int
    above: int
    matched: int
    unmatched: int


def residual_distribution(
    residuals: Array, bins: int = 61, half_width: float | None = None
) -> ResidualDistribution:
    """Count the residuals of a pose.

    Parameters
    ----------
    residuals : (N,) [m], NaN without a partner, as `core.registration.correspondences.residuals` gives them.
    bins : number of bins.
    half_width : of the range about the median [m]; by default 5 robust scales.

    Raises
    ------
    ValueError
        If no point has a partner, or `bins` or `half_width` is not positive.
    """
    present = residuals[np.isfinite(residuals)]
    if not len(present):
        raise ValueError("no point has a partner: there are no residuals")
    if bins < 1 or (half_width is not None and not half_width > 0.0):
        raise ValueError("bins and half_width must be positive")
    median, scale = float(np.median(present)), residual_scale(residuals)
    # more than half of the residuals may be equal (the same scan twice): then the scale says nothing
    spread = scale if scale > 0.0 else max(float(np.abs(present - median).max()), 1e-12) / 5.0
    reach = 5.0 * spread if half_width is None else half_width
    edges = np.linspace(median - reach, median + reach, bins + 1)
    counts, _ = np.histogram(present, edges)
    share = np.diff(ndtr((edges - median) / scale)) if scale > 0.0 else np.full(bins, math.nan)
    return ResidualDistribution(
        edges=edges,
        counts=counts,
        expected=np.asarray(len(present) * share),
        median=median,
        scale=scale,
        below=int(np.count_nonzero(present < edges[0])),
        above=int(np.count_nonzero(present > edges[-1])),
        matched=len(present),
        unmatched=len(residuals) - len(present),
    )
