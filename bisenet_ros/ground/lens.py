# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lens distortion: maps directions to points on the plane at distance 1, and back.

Directions are vectors of any length in the optical frame (x right, y down, z forward). The formulas
are those of OpenCV's modules calib3d and fisheye.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_STEPS = 20  # of Newton's method, which converges within five for usual lenses
_CLOSE = 1e-9  # on the plane at distance 1: a millionth of a pixel
_FOUND = 1e-6


class Lens(Protocol):
    """The interface of lens models."""

    def project(self, x: Array, y: Array, z: Array) -> tuple[Array, Array]:
        """Maps directions to the x and y of points; NaN where the lens does not see them."""

    def directions(self, u: Array, v: Array) -> tuple[Array, Array, Array]:
        """Maps the x and y of points to directions x, y, z; NaN where there is none."""


@dataclass(frozen=True)
class BrownLens:
    """Radial, tangential, thin prism and tilt: `plumb_bob` and `rational_polynomial`.

    Attributes:
        coefficients: k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4, tau_x, tau_y.
    """

    coefficients: tuple[float, ...]

    def project(self, x: Array, y: Array, z: Array) -> tuple[Array, Array]:
        """See `Lens`."""
        with np.errstate(all='ignore'):
            x, y = x / z, y / z
            u, v = self._distort(x, y)
            # Beyond its turning point, the polynomial would map directions outside the view into
            # the image.
            unseen = (z <= 0) | ~(x * x + y * y < self._turning_point**2)
        u[unseen] = v[unseen] = np.nan
        return u, v

    def directions(self, u: Array, v: Array) -> tuple[Array, Array, Array]:
        """See `Lens`."""
        x, y = u, v
        if any(self.coefficients):
            with np.errstate(all='ignore'):
                for _ in range(_STEPS):
                    x, y, worst = self._newton(x, y, u, v)
                    if not worst > _CLOSE:
                        break
                again_u, again_v = self._distort(x, y)
                missed = ~(np.hypot(again_u - u, again_v - v) < _FOUND)
                missed |= ~(x * x + y * y < self._turning_point**2)
            x, y = np.where(missed, np.nan, x), np.where(missed, np.nan, y)
        return x, y, np.ones_like(x)

    def _newton(self, x: Array, y: Array, u: Array, v: Array) -> tuple[Array, Array, float]:
        """Returns a better x and y for what is seen at u and v, and the largest error before."""
        step = 1e-6
        at_u, at_v = self._distort(x, y)
        off_u, off_v = at_u - u, at_v - v
        (ux, vx), (uy, vy) = (
            ((moved_u - at_u) / step, (moved_v - at_v) / step)
            for moved_u, moved_v in (self._distort(x + step, y), self._distort(x, y + step))
        )
        determinant = ux * vy - uy * vx
        x = x - (vy * off_u - uy * off_v) / determinant
        y = y - (ux * off_v - vx * off_u) / determinant
        # Unlike np.nanmax, fmax.reduce takes `initial` in NumPy 1.21, too.
        return x, y, float(np.fmax.reduce(np.hypot(off_u, off_v), axis=None, initial=0.0))

    def _distort(self, x: Array, y: Array) -> tuple[Array, Array]:
        k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4, _, _ = self.coefficients
        r2 = x * x + y * y
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        if k4 or k5 or k6:
            radial /= 1 + r2 * (k4 + r2 * (k5 + r2 * k6))
        u, v = x * radial, y * radial
        if p1 or p2:
            xy = 2 * x * y
            u += p1 * xy + p2 * (r2 + 2 * x * x)
            v += p1 * (r2 + 2 * y * y) + p2 * xy
        if s1 or s2 or s3 or s4:
            u += r2 * (s1 + r2 * s2)
            v += r2 * (s3 + r2 * s4)
        if self._tilt is not None:
            u, v, w = (a * u + b * v + c for a, b, c in self._tilt)
            u, v = u / w, v / w
        return u, v

    @cached_property
    def _tilt(self) -> Array | None:
        """(3, 3) homography of a tilted sensor; None if it is not tilted."""
        tau_x, tau_y = self.coefficients[-2:]
        if not (tau_x or tau_y):
            return None
        (cx, sx), (cy, sy) = ((np.cos(tau), np.sin(tau)) for tau in (tau_x, tau_y))
        turn = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]]) @ np.array(
            [[1, 0, 0], [0, cx, sx], [0, -sx, cx]]
        )
        (_, _, a), (_, _, b), (_, _, c) = turn
        tilt: Array = np.array([[c, 0, -a], [0, c, -b], [0, 0, 1]]) @ turn
        return tilt

    @cached_property
    def _turning_point(self) -> float:
        """The radius at which the radial polynomial stops growing; 100 if it never does."""
        r = np.geomspace(1e-3, 100.0, 4000)
        k1, k2, _, _, k3, k4, k5, k6 = self.coefficients[:8]
        radial = BrownLens((k1, k2, 0.0, 0.0, k3, k4, k5, k6, *6 * (0.0,)))
        with np.errstate(all='ignore'):
            grows = np.diff(radial._distort(r, np.zeros_like(r))[0]) > 0
        return float(r[-1] if grows.all() else r[np.argmin(grows)])


@dataclass(frozen=True)
class FisheyeLens:
    """A polynomial of the angle to the optical axis: `equidistant`.

    Attributes:
        coefficients: k1, k2, k3, k4.
    """

    coefficients: tuple[float, ...]

    def project(self, x: Array, y: Array, z: Array) -> tuple[Array, Array]:
        """See `Lens`; angles over 90 degrees are supported, too."""
        across = np.hypot(x, y)
        angle = np.arctan2(across, z)
        with np.errstate(divide='ignore', invalid='ignore'):
            scale = np.where(across > 0, self._distorted(angle) / across, 1.0)
        scale[~(angle < self._max_angle)] = np.nan
        return x * scale, y * scale

    def directions(self, u: Array, v: Array) -> tuple[Array, Array, Array]:
        """See `Lens`."""
        bent = np.hypot(u, v)
        angles = np.linspace(0.0, self._max_angle, 4096)
        # Exact to a thousandth of a degree: less than a hundredth of a pixel.
        angle = np.interp(bent, self._distorted(angles), angles, right=np.nan)
        with np.errstate(divide='ignore', invalid='ignore'):
            scale = np.where(bent > 0, np.sin(angle) / bent, 1.0)
        return u * scale, v * scale, np.cos(angle)

    def _distorted(self, angle: Array) -> Array:
        k1, k2, k3, k4 = self.coefficients
        a2 = angle * angle
        bent: Array = angle * (1 + a2 * (k1 + a2 * (k2 + a2 * (k3 + a2 * k4))))
        return bent

    @cached_property
    def _max_angle(self) -> float:
        """The angle up to which the polynomial grows, radians; at most 180 degrees."""
        angles = np.linspace(0.0, np.pi, 4096)
        grows = np.diff(self._distorted(angles)) > 0
        return float(angles[-1] if grows.all() else angles[np.argmin(grows)])
