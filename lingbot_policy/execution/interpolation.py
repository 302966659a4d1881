# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
From policy rate to command rate: positions and velocities between samples.

Cubic Hermite pieces with limited tangents (Fritsch and Butland, 1984): the velocity is
continuous, and between two samples a joint goes straight from one to the other, so that nothing
overshoots what the policy said.
"""

from bisect import bisect_right

import numpy as np


class Trajectory:
    """
    A curve through ``samples`` (samples, dof) at rising ``knots`` (samples,), at least two.

    Before its first knot and after its last one it stands still at that sample.

    :param start_velocity: (dof,), per unit of the knots: that of a motion to be continued, which
        is limited as every tangent is; None: the slope of the first piece.
    """

    def __init__(
        self, knots: np.ndarray, samples: np.ndarray, start_velocity: np.ndarray | None = None
    ) -> None:
        self.first, self.last = float(knots[0]), float(knots[-1])
        lengths = np.diff(knots)[:, None]
        slopes = np.diff(samples, axis=0) / lengths
        tangents = _tangents(lengths, slopes, start_velocity)
        begin, end = tangents[:-1] * lengths, tangents[1:] * lengths
        rise = slopes * lengths
        self._pieces = np.stack(
            [samples[:-1], begin, 3 * rise - 2 * begin - end, begin + end - 2 * rise], axis=1
        )  # (samples - 1, 4, dof): powers of the share of a piece
        self._samples = samples
        self._knots = knots
        self._bisected = knots.tolist()
        self._scales = 1.0 / lengths[:, 0]
        self._per_length = self._scales.tolist()

    def at(self, place: float) -> tuple[np.ndarray, np.ndarray]:
        """Return positions (dof,) and velocities (dof,), the latter per unit of the knots."""
        if not self.first <= place <= self.last:
            end = 0 if place < self.first else -1
            return self._samples[end].copy(), np.zeros(self._samples.shape[1])
        piece = min(bisect_right(self._bisected, place), len(self._per_length)) - 1
        scale = self._per_length[piece]
        u = (place - self._bisected[piece]) * scale
        powers = np.array([[1.0, u, u * u, u * u * u], [0.0, 1.0, 2.0 * u, 3.0 * u * u]])
        positions, slopes = powers @ self._pieces[piece]
        return positions, slopes * scale

    def sampled(self, places: np.ndarray) -> np.ndarray:
        """Return the positions at many places, shape (places, dof)."""
        places = np.minimum(np.maximum(places, self.first), self.last)
        piece = np.searchsorted(self._knots, places, side='right') - 1
        piece = np.minimum(piece, len(self._per_length) - 1)
        u = (places - self._knots[piece]) * self._scales[piece]
        powers = np.empty((len(u), 1, 4))
        powers[:, 0, 0] = 1.0
        powers[:, 0, 1] = u
        powers[:, 0, 2] = square = u * u
        powers[:, 0, 3] = square * u
        return (powers @ self._pieces[piece])[:, 0]


def _tangents(
    lengths: np.ndarray, slopes: np.ndarray, start_velocity: np.ndarray | None
) -> np.ndarray:
    """Return a tangent for each sample, (samples, dof), with which no piece turns within."""
    before, after = slopes[:-1], slopes[1:]
    weight_before = 2 * lengths[1:] + lengths[:-1]
    weight_after = lengths[1:] + 2 * lengths[:-1]
    with np.errstate(divide='ignore', invalid='ignore', over='ignore'):
        turns = before * after <= 0.0
        harmonic = (weight_before + weight_after) / (weight_before / before + weight_after / after)
    inner = np.where(turns, 0.0, harmonic)
    first = slopes[0]
    if start_velocity is not None:
        bound = 3.0 * slopes[0]
        first = np.clip(start_velocity, np.minimum(bound, 0.0), np.maximum(bound, 0.0))
    return np.concatenate([first[None], inner, slopes[-1:]])
