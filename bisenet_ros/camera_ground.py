# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Projects a camera's masks onto the ground, using its CameraInfo and its pose."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from bisenet_ros.errors import UserError
from bisenet_ros.ground.camera_model import CameraModel
from bisenet_ros.ground.pose import Pose
from bisenet_ros.ground.tables import GroundTables
from bisenet_ros.settings import Settings

if TYPE_CHECKING:
    from bisenet_ros.segmentation import Segmentation

NO_CAMERA_INFO = (
    'no CameraInfo received, which grid and scan need: let the driver publish camera_info beside '
    'the image, and record it in bags'
)

MOUNTING, TF, MISSING = 'mounting', 'tf', 'missing'
"""Sources of a camera's pose."""


class Transform(NamedTuple):
    """The pose of a coordinate frame in its parent.

    Attributes:
        translation: x, y and z of its origin in the parent, metres.
        rotation: Quaternion x, y, z, w of its axes in the parent.
    """

    translation: tuple[float, float, float]
    rotation: tuple[float, float, float, float]


class Transforms(Protocol):
    """Looks up transforms, from TF or from a recording of it."""

    def find(self, parent: str, child: str, stamp: Any) -> Transform | None:
        """Returns the pose of `child` in `parent`, at the stamp or at the nearest known time."""


class Ground:
    """A frame's drivable mask projected onto the ground; each part is computed on first access.

    Attributes:
        base_frame: The coordinate frame of all results.
        layout: Size and resolution of the grid.
        tables: Project other masks of the frame, such as its ground truth, in the same way.
        range_max: Largest range at which the scan can have a contact, metres.
    """

    def __init__(self, tables: GroundTables, base_frame: str, segmentation: Segmentation) -> None:
        self.base_frame = base_frame
        self.layout = tables.layout
        self.tables = tables
        self._segmentation = segmentation

    @property
    def range_max(self) -> float:
        """See the class."""
        return self.tables.scan_range_max

    @cached_property
    def grid(self) -> npt.NDArray[np.int8]:
        """(rows, columns) see `GroundTables.grid`."""
        return self.tables.grid(self._segmentation.drivable)

    @cached_property
    def scan(self) -> npt.NDArray[np.float32]:
        """(rays,) see `GroundTables.scan`."""
        return self.tables.scan(self._segmentation.drivable)

    @cached_property
    def free_space_range(self) -> npt.NDArray[np.float32]:
        """(W,) see `GroundTables.free_space_range`."""
        return self.tables.free_space_range(self._segmentation.area.free_space_boundary)


class CameraGround:
    """Projects one camera's masks onto the ground.

    A frame uses the CameraInfo of its stamp or, without one, the latest CameraInfo. The pose is
    `mounting` or, without one, the transform from TF at the image's stamp. If TF cannot give it,
    the last transform between the same frames is used.

    Attributes:
        pose_source: `MOUNTING`, `TF` or `MISSING`.
    """

    def __init__(
        self,
        camera: str,
        settings: Callable[[], Settings],
        transforms: Transforms | None = None,
        camera_info_topic: str = '',
    ) -> None:
        """
        Args:
            camera: Name of the camera.
            settings: Returns the current parameters.
            transforms: Looks up the camera's pose; None without TF.
            camera_info_topic: The topic that a node subscribes to, after remapping; empty without
                one.
        """
        self._camera = camera
        self._settings = settings
        self._transforms = transforms
        self._camera_info_topic = camera_info_topic
        self._all: Settings | None = None  # the settings that `_own` was made from
        self._own = Settings()
        self._info: Any = None
        self._last_pose: tuple[tuple[str, str], Pose] | None = None
        self._key: object = None
        self._ego: npt.NDArray[np.bool_] | None = None
        self._tables: GroundTables | None = None
        self._no_ground = ''  # why there is no `Ground`
        self.pose_source = MISSING

    @property
    def problem(self) -> str:
        """Which outputs on the ground are missing or empty, and why; empty if none are."""
        if self._no_ground:
            return f'no grid and no scan: {self._no_ground}'
        tables = self._tables  # another thread may replace them
        if tables is not None and tables.grid_problem:
            return f'all cells of the grid are unknown: {tables.grid_problem}'
        return ''

    def take_camera_info(self, info: Any) -> None:
        """Stores the latest CameraInfo; may be called from another thread."""
        self._info = info

    def clear(self) -> None:
        """Forgets the last CameraInfo, the last transform and the problem."""
        self._info = self._last_pose = self._tables = None
        self._no_ground = ''

    def forget_pose(self) -> None:
        """Forgets the last transform; may be called from another thread."""
        self._last_pose = None

    def of_frame(
        self, message: Any, size: tuple[int, int], segmentation: Segmentation, camera_info: Any
    ) -> Ground | None:
        """Projects a frame's mask onto the ground; returns None if it cannot, see `problem`.

        Args:
            message: The image message.
            size: (width, height) of the image.
            segmentation: The image's segmentation, which may have another size.
            camera_info: The CameraInfo with the image's stamp; None without one.
        """
        settings = self._settings_of_camera()
        ego = segmentation.ego
        try:
            pose = self._pose(settings, message.header)
            info = self._info if camera_info is None else camera_info
            if info is None:
                raise UserError(self._no_camera_info())
            camera = CameraModel.from_info(info, size).resized(segmentation.size)
            key = (camera, pose, settings.layout)
            if self._tables is None or key != self._key or ego is not self._ego:
                self._tables = GroundTables(*key, ego)
                self._key, self._ego = key, ego
        except UserError as error:
            self._no_ground = str(error)
            return None
        self._no_ground = ''
        return Ground(self._tables, settings.base_frame, segmentation)

    def _settings_of_camera(self) -> Settings:
        current = self._settings()
        if current is not self._all:
            self._all, self._own = current, current.for_camera(self._camera)
        return self._own

    def _pose(self, settings: Settings, header: Any) -> Pose:
        """Returns the camera's pose and sets `pose_source`, which other threads read, just once."""
        if settings.mounting:
            self.pose_source = MOUNTING
            return Pose.from_mounting(settings.mounting)
        try:
            pose = self._pose_of_tf(settings.base_frame, header)
        except UserError:
            self.pose_source = MISSING
            raise
        self.pose_source = TF
        return pose

    def _pose_of_tf(self, base_frame: str, header: Any) -> Pose:
        frames = base_frame, header.frame_id
        found = None
        if self._transforms is not None and header.frame_id:
            found = self._transforms.find(*frames, header.stamp)
        if found is not None:
            self._last_pose = frames, Pose.from_transform(*found)
        last = self._last_pose
        if last is None or last[0] != frames:
            raise UserError(self._cure(*frames))
        return last[1]

    def _no_camera_info(self) -> str:
        if not self._camera_info_topic:
            return NO_CAMERA_INFO
        name = posixpath.join(self._camera, 'camera_info')
        return (
            f'no CameraInfo received on {self._camera_info_topic}, which grid and scan need: let '
            f'the driver publish it there, or remap {name} to its topic (launch with '
            'camera_info:=TOPIC)'
        )

    def _cure(self, base_frame: str, frame: str) -> str:
        name = f'{self._camera}.mounting' if self._camera else 'mounting'
        cure = f'set {name} to [x, y, z, roll, pitch, yaw] of the camera in {base_frame}'
        if self._transforms is None:
            return (
                f'the pose of the camera is not known: {cure}; TF is not available: tf2_ros is '
                'not installed, or the recorded transforms cannot be read'
            )
        if not frame:
            return f'the images have no frame_id, so TF cannot give their pose: {cure}'
        return (
            f'the pose of the camera is not known: {cure}, or publish the transform from '
            f'{base_frame} to {frame} on TF'
        )
