# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shows frames and their segmentation in Rerun. This is the only module that imports Rerun.

Rerun is optional, so this module is imported only if frames are shown. The viewer is a separate
program, which receives the frames through a socket.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bisenet_ros.bag.reader import Camera, RecordedFrame
from bisenet_ros.birds_eye import FREE_COLOR
from bisenet_ros.camera_ground import Ground
from bisenet_ros.console import warn
from bisenet_ros.errors import UserError
from bisenet_ros.extras import EXTRAS, advice
from bisenet_ros.ground.layout import GridLayout
from bisenet_ros.image_codec import jpeg_fields
from bisenet_ros.label_space import IGNORE, LabelSpace
from bisenet_ros.metrics import truth_at
from bisenet_ros.output_files import make_folder
from bisenet_ros.resizing import resize
from bisenet_ros.segmentation import Segmentation
from bisenet_ros.settings import Settings

try:
    import rerun as rr
    import rerun.blueprint as rrb
except ModuleNotFoundError as error:
    raise UserError(
        f'--view and --view-file need {error.name}: {advice(*EXTRAS["view"])}'
    ) from error
if tuple(int(part) for part in rr.__version__.split('.')[:2]) < (0, 41):
    raise UserError(
        f'--view and --view-file need Rerun 0.41 or later, and so Python 3.11; this is '
        f'{rr.__version__}'
    )

PORT = 9876
"""Default port of Rerun's viewers."""

PLOTS = ('timing', 'figures', 'distances')
"""The plots, one per kind of unit: milliseconds, numbers from 0 to 1, and metres or pixels."""

_CLOSING = 10.0
"""Time-out for a viewer to receive the last frames, seconds."""

_TRANSPARENT = (0, 0, 0, 0)
_DRIVABLE = 255

_NOTHING = rr.Clear(recursive=False)
"""Logged if a frame lacks an entity that others have; otherwise the viewer shows the last one."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ViewTarget:
    """Destinations of the frames.

    Attributes:
        viewer: Whether to send them to the viewer on this machine, which is started if needed.
        file: The recording to write, an .rrd file; None for no file.
        port: Port of the viewer.
    """

    viewer: bool = False
    file: Path | None = None
    port: int = PORT

    def check(self) -> None:
        """Checks, before the work begins, that frames can be shown.

        Raises:
            UserError: No viewer is running, and there is no display to start one.
        """
        if self.viewer and not _has_display() and not self.is_listening():
            raise UserError(
                f'--view: no display for a viewer, and none listens on port {self.port} of this '
                'machine: use --view-file FILE.rrd and open that elsewhere, or start '
                '`rerun --serve-web --bind 127.0.0.1` here first'
            )

    def is_listening(self) -> bool:
        """Returns whether a viewer listens on this machine."""
        try:
            socket.create_connection(('127.0.0.1', self.port), timeout=2.0).close()
        except OSError:
            return False
        return True


class RerunView:
    """Streams frames to a viewer, to a file or to both; a context manager.

    No frame is kept. Each camera has the entities `image`, `labels`, `drivable`, `truth`, `ground`
    and those of `PLOTS` under its name; for the only camera of a bag they are at the root. The
    timelines are `stamp`, the time in the image's header, and `frame`, its number in the bag.

    Args:
        target: Destinations of the frames.
        title: Name of the recording.
        label_space: Label space of labels and ground truth.
        cameras: The cameras of the frames.
        settings: The node's settings; `overlay_alpha` and the layout of the grid are used.
    """

    def __init__(
        self,
        target: ViewTarget,
        title: str,
        label_space: LabelSpace,
        cameras: Sequence[Camera],
        settings: Settings,
    ) -> None:
        self._target = target
        self._title = title
        self._label_space = label_space
        self._cameras = cameras
        self._settings = settings

    def __enter__(self) -> RerunView:
        """
        Raises:
            UserError: The viewer does not start, or the file cannot be written.
        """
        # Otherwise Rerun only warns about invalid arguments.
        rr.set_strict_mode(True)
        self._stream = rr.RecordingStream('bisenet_ros')
        self._open()
        self._stream.send_recording_name(self._title)
        self._describe()
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: Any) -> None:
        """
        Raises:
            UserError: The file is incomplete. (Closing the viewer is not an error.)
        """
        try:
            self._stream.flush(timeout_sec=_CLOSING)
        except RuntimeError as error:
            problem = f'Rerun did not get all frames: {error}'
            if self._target.file is not None and kind is None:
                raise UserError(problem) from error
            warn(problem)
        finally:
            self._stream.disconnect()

    def show(
        self,
        frame: RecordedFrame,
        image: Pixels,
        found: Segmentation,
        *,
        ground: Ground | None,
        truth: Pixels | None,
        figures: Mapping[str, Any],
    ) -> None:
        """Shows a frame.

        Args:
            frame: The frame.
            image: (H, W, 3) BGR; shown at the size of the labels, so that they overlap.
            found: The segmentation of the frame, at any size.
            ground: The segmentation projected onto the ground; None if unknown.
            truth: (H, W) true class ids, of the size of the image or of the labels; None without.
            figures: Numbers by name; the name ends with the unit unless they are from 0 to 1. Only
                finite numbers are shown.
        """
        stream = self._stream
        height, width = found.labels.shape
        stream.set_time('stamp', timestamp=np.datetime64(frame.stamp, 'ns'))
        stream.set_time('frame', sequence=frame.index)
        jpeg = jpeg_fields(resize(image, (width, height)))['data'].tobytes()
        self._log(frame.camera, 'image', rr.EncodedImage(contents=jpeg, media_type='image/jpeg'))
        self._log(frame.camera, 'labels', self._classes(found.labels))
        self._log(frame.camera, 'drivable', self._classes(found.drivable))
        if frame.camera.labels_topic is not None:
            shown: Any = _NOTHING
            if truth is not None:
                shown = self._classes(truth_at(truth, image.shape, found.labels.shape))
            self._log(frame.camera, 'truth', shown)
        if frame.camera.camera_info_topic is not None:
            self._log(frame.camera, 'ground', _NOTHING if ground is None else _grid(ground))
        for name, value in figures.items():
            if isinstance(value, int | float) and np.isfinite(value):
                self._log(frame.camera, f'{_plot_of(name)}/{name}', rr.Scalars(float(value)))

    def _open(self) -> None:
        target = self._target
        sinks: list[rr.GrpcSink | rr.FileSink] = []
        try:
            if target.viewer:
                if not target.is_listening():
                    self._start_viewer()
                sinks.append(rr.GrpcSink(f'rerun+http://127.0.0.1:{target.port}/proxy'))
            if target.file is not None:
                make_folder(target.file.parent)
                sinks.append(rr.FileSink(target.file))
            self._stream.set_sinks(*sinks, default_blueprint=self._blueprint())
        except RuntimeError as error:
            reason = str(error).partition('\n')[0]
            raise UserError(f'the frames cannot be shown in Rerun: {reason}') from error

    def _start_viewer(self) -> None:
        port = self._target.port
        rr.spawn(port=port, connect=False, executable_path=_viewer(), recording=self._stream)
        if not self._target.is_listening():
            raise UserError(
                f'the Rerun viewer does not listen on port {port}: the lines above say why it did '
                'not start; --view-file FILE.rrd needs none'
            )

    def _describe(self) -> None:
        """Logs names and colours of the classes."""
        names, colors = self._label_space.names, self._label_space.colors
        classes = [(i, names[i], (*colors[i], 255)) for i in range(len(names))]
        classes.append((IGNORE, 'not labelled', _TRANSPARENT))
        self._stream.log('/', rr.AnnotationContext(classes), static=True)
        drivable = rr.AnnotationContext(
            [
                (0, 'not drivable', _TRANSPARENT),
                (_DRIVABLE, 'drivable', (*FREE_COLOR[::-1], 255)),
            ]
        )
        for camera in self._cameras:
            self._log(camera, 'drivable', drivable, static=True)
            if camera.camera_info_topic is not None:
                self._log(camera, 'ground', rr.ViewCoordinates.FLU, static=True)

    def _blueprint(self) -> rrb.Blueprint:
        """Returns the layout: a row of pictures for each camera, and the plots below."""
        plots = [
            rrb.TimeSeriesView(
                contents=[f'{_path(camera, kind)}/**' for camera in self._cameras], name=kind
            )
            for kind in PLOTS
        ]
        layout = self._settings.layout
        rows = [rrb.Horizontal(*_pictures(camera, layout)) for camera in self._cameras]
        return rrb.Blueprint(
            rrb.Vertical(*rows, rrb.Horizontal(*plots), row_shares=[2] * len(rows) + [1]),
            rrb.TimePanel(timeline='stamp', state='collapsed'),
            rrb.BlueprintPanel(state='collapsed'),
            rrb.SelectionPanel(state='collapsed'),
        )

    def _classes(self, ids: Pixels) -> rr.SegmentationImage:
        return rr.SegmentationImage(ids, opacity=self._settings.overlay_alpha)

    def _log(self, camera: Camera, name: str, value: Any, *, static: bool = False) -> None:
        self._stream.log(_path(camera, name), value, static=static)


def _plot_of(figure: str) -> str:
    """Returns which of `PLOTS` shows a figure."""
    unit = figure.rpartition('_')[2]
    return {'ms': 'timing', 'm': 'distances', 'px': 'distances'}.get(unit, 'figures')


def _pictures(camera: Camera, layout: GridLayout) -> list[rrb.Spatial2DView | rrb.Spatial3DView]:
    """Returns the views of a camera's entities."""
    prefix = f'{camera.name} ' if camera.name else ''
    names = ['labels', 'drivable']
    if camera.labels_topic is not None:
        names.append('truth')
    views: list[rrb.Spatial2DView | rrb.Spatial3DView] = [
        rrb.Spatial2DView(
            contents=[_path(camera, 'image'), _path(camera, name)], name=f'{prefix}{name}'
        )
        for name in names
    ]
    if camera.camera_info_topic is not None:
        middle, side = layout.length / 2, max(layout.length, layout.width)
        from_above = rrb.EyeControls3D(
            position=(middle, 0, 1.2 * side), look_target=(middle, 0, 0), eye_up=(1, 0, 0)
        )
        path = _path(camera, 'ground')
        views.append(
            rrb.Spatial3DView(origin=path, name=f'{prefix}ground', eye_controls=from_above)
        )
    return views


def _grid(ground: Ground) -> rr.GridMap:
    """Converts the grid to the values of a nav_msgs/OccupancyGrid, with 255 for -1."""
    rows, columns = ground.layout.shape
    return rr.GridMap(
        data=ground.grid.tobytes(),
        format=rr.components.ImageFormat(
            width=columns, height=rows, color_model='L', channel_datatype='U8'
        ),
        cell_size=ground.layout.resolution,
        translation=(0.0, ground.layout.right, 0.0),
        colormap=rr.components.Colormap.RvizMap,
    )


def _path(camera: Camera, name: str) -> str:
    path: str = rr.new_entity_path([*filter(None, camera.name.split('/')), *name.split('/')])
    return path


def _viewer() -> str | None:
    """Returns the viewer's path in the rerun package; PATH has it only in an active environment."""
    spec = find_spec('rerun_cli')
    if spec is None or spec.origin is None:
        return None
    return str(Path(spec.origin).parent / 'rerun')


def _has_display() -> bool:
    return sys.platform != 'linux' or any(
        os.environ.get(name) for name in ('DISPLAY', 'WAYLAND_DISPLAY', 'WAYLAND_SOCKET')
    )
