# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turns a camera's masks into grid, scan and ranges per column, by precomputed tables.

The ground is the plane z = 0 of `base_frame`. Anything not drivable stands on it or lies in it. A
contact is the first place along a line of sight where the drivable ground ends. A mask does not
show what is behind a contact.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from bisenet_ros.ground.camera_model import CameraModel
from bisenet_ros.ground.column_directions import ColumnDirections
from bisenet_ros.ground.layout import GridLayout
from bisenet_ros.ground.pose import Pose
from bisenet_ros.ground.rays import MAX_SAMPLES, GroundRays, SeenGround

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.uint8]

FREE, OCCUPIED, UNKNOWN = 0, 100, -1
"""Values of nav_msgs/OccupancyGrid."""

SCAN_RAYS = 1440
"""Rays of a scan: all around, a quarter of a degree apart, the same for every camera."""

SCAN_BEARINGS: Array = np.linspace(-np.pi, np.pi, SCAN_RAYS, endpoint=False)
"""(SCAN_RAYS,) radians."""

_FINEST = 0.1
"""Cells as large as this or larger are sampled as finely as cells of this size, metres."""

_GRAZING = 1 / 40
"""The smallest angle between an edge and the line of sight, radians.

Smaller ones are taken for the outline of something that hides what is behind it.
"""

_OUT_OF_VIEW = (
    'the grid is ahead of base_frame, and the camera shows no trusted ground there: check '
    'mounting, camera_info, grid.length and grid.width'
)
_SMALL_CELLS = (
    'each is smaller than the ground that one pixel shows: raise grid.resolution or output_size'
)

# A cell and its neighbours: those that share a side with it, and all.
_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
_SQUARE = np.ones((3, 3), np.uint8)

_PROBED_EVERY, _PROBED_RADII = 4, 96  # sampling of a scan's rays, to find those in the image


class _GridTable(NamedTuple):
    """The cells that a mask covers, and the line of sight through the centre of each.

    Attributes:
        rays: Lines from below the camera.
        cells: (N,) flat indices of the cells in the grid.
        known: (rows, columns) bool, whether a cell is one of them.
        ray: (N,) index of the line nearest to the cell's centre.
        distance: (N,) metres from the start of the line to the cell's centre.
        pixel: (N,) flat index of the pixel that shows the cell's centre.
        longest_gap: The largest distance between the contacts of neighbouring lines on one edge, as
            a fraction of their distance from the camera.
    """

    rays: GroundRays
    cells: npt.NDArray[np.intp]
    known: npt.NDArray[np.bool_]
    ray: npt.NDArray[np.intp]
    distance: Array
    pixel: npt.NDArray[np.intp]
    longest_gap: float


class GroundTables:
    """The ground as seen by one camera in one pose.

    Each table is computed when it is first used.

    Attributes:
        layout: The grid on the ground.
        grid_problem: Why all cells of every grid are unknown; empty if they are not, and before the
            first grid.

    Args:
        camera: The camera at the size of its masks.
        pose: The camera's pose.
        layout: See above.
        ego: (H, W) bool, the pixels of the vehicle itself; None for none. They show neither ground
            nor contacts.

    Raises:
        UserError: No ground is trusted in this pose.
    """

    def __init__(
        self,
        camera: CameraModel,
        pose: Pose,
        layout: GridLayout,
        ego: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        self.layout = layout
        self.grid_problem = ''
        self._pose = pose
        self._ego = ego
        self._ground = SeenGround(camera, pose, layout.trusted_range(pose.height), ego)

    @property
    def scan_range_max(self) -> float:
        """The largest possible distance of a contact from the origin of `base_frame`, metres."""
        return self._ground.trusted_range + float(np.hypot(*self._pose.translation[:2]))

    def grid(self, mask: Mask) -> npt.NDArray[np.int8]:
        """Computes the grid, (rows, columns): `FREE`, `OCCUPIED` or `UNKNOWN`.

        Args:
            mask: (H, W), 255 where drivable, else 0.
        """
        layout, table = self.layout, self._grid_table
        grid = np.full(layout.shape, UNKNOWN, np.int8)
        contacts = table.rays.contacts(mask)
        edges = self._edge_points(contacts)
        # A line passes up to a sixth of a cell beside a centre, and may miss what the centre shows.
        hit = np.flatnonzero(mask.take(table.pixel) == 0)
        np.minimum.at(contacts, table.ray[hit], table.distance[hit])
        behind = table.distance - contacts[table.ray]  # (N,) metres
        values = np.full(behind.shape, UNKNOWN, np.int8)
        values[behind < layout.contact_depth] = OCCUPIED
        values[behind < 0] = FREE
        grid.reshape(-1)[table.cells] = values
        self._mark_edges(grid, *edges)
        return grid

    def scan(self, mask: Mask) -> npt.NDArray[np.float32]:
        """Computes (SCAN_RAYS,) metres from the origin of `base_frame` to the first contact.

        Infinity where there is none, NaN for bearings outside the view.

        Args:
            mask: (H, W), 255 where drivable, else 0.
        """
        ranges = np.full(SCAN_RAYS, np.nan, np.float32)
        which, rays = self._scan_table
        ranges[which] = np.where(rays.seen, rays.contacts(mask), np.nan)
        return ranges

    def free_space_range(self, boundary: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Computes the distance to the end of each column's free space.

        Args:
            boundary: (W,) the top row of each column's free space, as
                `drivable.free_space_boundary` returns it.

        Returns:
            (W,) metres from the origin of `base_frame`; NaN where the end is above the horizon,
            beyond the trusted range or outside the view of the lens.
        """
        if self._ego is not None:
            boundary = np.minimum(boundary, self._bonnet)
        # The free space ends at the upper edge of its top pixel.
        x, y, z = self._column_directions.at(boundary).T
        px, py, pz = self._pose.translation
        with np.errstate(divide='ignore', invalid='ignore'):
            along = np.where(z < 0, -pz / z, np.nan)
            far = np.hypot(x, y) * along > self._ground.trusted_range
        ranges: npt.NDArray[np.float32] = np.hypot(px + along * x, py + along * y).astype(
            np.float32
        )
        ranges[far] = np.nan
        return ranges

    def _edge_points(self, contacts: Array) -> tuple[Array, Array]:
        """Returns x and y of points on the edges, at most a quarter of a cell apart.

        Contacts of neighbouring lines are on one edge, unless they are so far apart that the nearer
        one may be the outline of something that hides the ground behind it.

        Args:
            contacts: (J,) as `GroundRays.contacts` returns them.
        """
        table, cell = self._grid_table, self.layout.resolution
        step = cell / 4
        hit = np.flatnonzero(contacts < np.inf)
        distance = contacts[hit]
        x, y = table.rays.points(distance, table.rays.bearings[hit])
        to_x, to_y = x[1:] - x[:-1], y[1:] - y[:-1]
        gap = np.sqrt(to_x * to_x + to_y * to_y)
        longest = np.minimum(distance[1:], distance[:-1]) * table.longest_gap
        # In known cells, lines and pixels are at most a cell apart.
        longest = np.clip(longest, cell, cell / _GRAZING)
        joined = (gap <= longest) & (hit[1:] - hit[:-1] == 1)
        wide = np.flatnonzero(joined & (gap > step))
        count = np.ceil(gap[wide] / step).astype(np.intp)  # points from a contact to the next one
        start, parts = np.repeat(wide, count), np.repeat(count, count)
        share = (np.arange(start.size) - np.repeat(np.cumsum(count) - count, count)) / parts
        return (
            np.concatenate((x, x[start] + share * to_x[start])),
            np.concatenate((y, y[start] + share * to_y[start])),
        )

    def _mark_edges(self, grid: npt.NDArray[np.int8], x: Array, y: Array) -> None:
        """Occupies unknown cells along edges, so that no free cell is beside them.

        Where an edge is nearly along the line of sight, or `contact_depth` is less than a cell, the
        occupied depth need not reach the centre of a cell.

        Args:
            grid: (rows, columns) is changed.
            x: (P,) metres, points on the edges.
            y: As x.
        """
        layout = self.layout
        columns = np.floor(x / layout.resolution).astype(np.intp)
        rows = np.floor((y - layout.right) / layout.resolution).astype(np.intp)
        inside = (columns >= 0) & (columns < grid.shape[1]) & (rows >= 0) & (rows < grid.shape[0])
        if not inside.any():
            return
        edge = np.zeros(grid.shape, np.bool_)
        edge[rows[inside], columns[inside]] = True
        # The centre of a cell may be free though an edge passes behind it. Then the next cell is
        # the first that is not.
        free = edge & (grid == FREE)
        edge |= _dilated(free, _CROSS)
        edge &= self._grid_table.known
        edge &= grid == UNKNOWN
        grid[edge] = OCCUPIED
        # What is too thin to cover the centre of any cell occupies the cell that it is in.
        free &= ~_dilated(grid == OCCUPIED, _SQUARE)
        grid[free] = OCCUPIED

    @cached_property
    def _grid_table(self) -> _GridTable:
        layout, ground = self.layout, self._ground
        rows, columns = layout.shape
        x, y = np.meshgrid(
            (np.arange(max(columns, 2)) + 0.5) * layout.resolution,  # the length of a cell needs 2
            (np.arange(rows) + 0.5) * layout.resolution + layout.right,
        )
        u, v = ground.positions(x, y)
        seen = ground.is_seen(u, v, x, y)
        known = seen & _covers_a_pixel(u, v)
        if not known.any():
            self.grid_problem = _SMALL_CELLS if seen.any() else _OUT_OF_VIEW
        x, y, u, v = (each[:, :columns] for each in (x, y, u, v))
        known = known[:, :columns]
        px, py, _ = self._pose.translation
        away_x, away_y = x[known] - px, y[known] - py
        distance = np.hypot(away_x, away_y)
        heading = self._pose.heading
        bearing = np.arctan2(away_y, away_x) - heading
        bearing = (bearing + np.pi) % (2 * np.pi) - np.pi  # (N,) from the heading
        reach = float(distance.max(initial=layout.resolution))
        low, high = float(bearing.min(initial=0.0)), float(bearing.max(initial=0.0))
        # Lines are a third of a cell apart at their far ends.
        cell = min(layout.resolution, _FINEST)
        count = min(2 + int((high - low) * reach / (cell / 3)), MAX_SAMPLES)
        bearings: Array = heading + np.linspace(low, high, count)
        ray = np.rint((bearing - low) / max(high - low, 1e-9) * (count - 1)).astype(np.intp)
        rays = GroundRays(ground, (px, py), bearings, reach + layout.resolution, cell / 4)
        width = ground.camera.size[0]
        pixel = np.rint(v[known]).astype(np.intp) * width + np.rint(u[known]).astype(np.intp)
        # Lines through one column of pixels have the same contact.
        apart = max((high - low) / (count - 1), 1 / min(ground.camera.focal))
        longest_gap = apart / _GRAZING
        return _GridTable(rays, np.flatnonzero(known), known, ray, distance, pixel, longest_gap)

    @cached_property
    def _scan_table(self) -> tuple[npt.NDArray[np.intp], GroundRays]:
        """Indices of the bearings of a scan that are in the image, and their lines."""
        reach, step = self.scan_range_max, _FINEST / 4
        radii = np.geomspace(step, max(reach, 2 * step), _PROBED_RADII)
        probed = SCAN_BEARINGS[::_PROBED_EVERY, None]
        x, y = radii * np.cos(probed), radii * np.sin(probed)
        seen = self._ground.is_seen(*self._ground.positions(x, y), x, y).any(1)
        around = seen | np.roll(seen, 1) | np.roll(seen, -1)
        which = np.flatnonzero(np.repeat(around, _PROBED_EVERY))
        if not which.size:
            which = np.zeros(1, np.intp)
        return which, GroundRays(self._ground, (0.0, 0.0), SCAN_BEARINGS[which], reach, step)

    @cached_property
    def _column_directions(self) -> ColumnDirections:
        return ColumnDirections(self._ground.camera, self._pose)

    @cached_property
    def _bonnet(self) -> npt.NDArray[np.intp]:
        """(W,) the row above which each column shows something other than the vehicle."""
        assert self._ego is not None
        seen = ~self._ego[::-1]
        return np.where(seen.any(0), len(seen) - seen.argmax(0), 0)


def _dilated(
    cells: npt.NDArray[np.bool_], neighbours: npt.NDArray[np.uint8]
) -> npt.NDArray[np.bool_]:
    """Returns (rows, columns) bool, whether a cell or one of its (3, 3) neighbours is True."""
    return cv2.dilate(cells.view(np.uint8), neighbours).view(np.bool_)


def _covers_a_pixel(u: Array, v: Array) -> npt.NDArray[np.bool_]:
    """Returns (rows, columns) whether cells are at least a pixel long in every direction.

    Args:
        u: (rows, columns) columns of the cells' centres in the image.
        v: (rows, columns) rows of the cells' centres in the image.
    """
    ux, uy, vx, vy = (np.gradient(p, axis=axis) for p in (u, v) for axis in (1, 0))
    # The smaller singular value of the matrix whose columns are the two sides.
    squares = ux * ux + vx * vx + uy * uy + vy * vy
    area = ux * vy - uy * vx
    with np.errstate(invalid='ignore'):
        root = np.sqrt(np.maximum(squares * squares - 4 * area * area, 0))
        found: npt.NDArray[np.bool_] = (squares - root) / 2 >= 1
    return found
