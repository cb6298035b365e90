# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The lifecycle node `segmenter`: camera images in, labels and drivable masks out.

    ros2 run bisenet_ros segmenter_node --ros-args -r image:=/camera/image_raw

Callbacks run in the main thread and only ever store the newest frame; one worker thread decodes,
segments and publishes. SIGINT and SIGTERM end the node with exit code 0, wrong parameters or
weights with 2, a device that only a new process can use with 1, the latter two with one line that
says what is wrong.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future as WorkFuture
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.logging import get_logger
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.subscription import Subscription
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo
from std_srvs.srv import SetBool, Trigger

from bisenet_ros.batching import choose_batching
from bisenet_ros.camera_pipeline import SegmentedFrame
from bisenet_ros.camera_slot import CameraSlot
from bisenet_ros.declaration import Changes, plain
from bisenet_ros.engine.device_failure import DeviceLostError
from bisenet_ros.errors import UserError
from bisenet_ros.extras import advice
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.node import large_images, parameters
from bisenet_ros.node.diagnostics import CameraTask, EngineTask, ProcessingTime, Status, Task
from bisenet_ros.node.image_subscription import ImageSubscription
from bisenet_ros.node.publishers import CameraPublishers
from bisenet_ros.node.signals import on_stop_signal
from bisenet_ros.node.worker import Worker
from bisenet_ros.outputs import Result
from bisenet_ros.settings import PARAMETERS, REPORTED, Settings

if TYPE_CHECKING:
    from bisenet_ros.segmenter import Segmenter

DIAGNOSTICS_PERIOD = 1.0
"""Seconds between two messages on /diagnostics, and between two looks at the publishers."""

BAD_INPUT = 2
"""Exit code when what the user gave cannot be used."""

DEVICE_LOST = 1
"""Exit code when only another process can use the device."""

_CAMERA_INFO_QOS = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)

Transition = Callable[['SegmenterNode', LifecycleState], TransitionCallbackReturn]


def _transition(callback: Transition) -> Transition:
    """A lifecycle callback whose errors reach a user.

    A `UserError` is logged as one line and refuses the transition. rclpy would swallow any other
    exception; it goes to `SegmenterNode.ended` first, which ends the process with a traceback.
    """

    @functools.wraps(callback)
    def reporting(node: SegmenterNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return callback(node, state)
        except UserError as error:
            node.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            node.ended.set_exception(error)
            raise

    return reporting


class SegmenterNode(LifecycleNode):
    """The node; it is run by spinning until `ended` is done.

    Attributes:
        ended: Done when the process is to end: with a result when it was asked to, with an
            exception when something failed that nobody expected.
    """

    def __init__(self, ended: Future) -> None:
        """
        Raises:
            UserError: A parameter that the node was started with is refused.
        """
        self.ended = ended
        self._slots: list[CameraSlot] = []
        self._camera_publishers: dict[str, CameraPublishers] = {}  # by the camera's name
        self._images: list[ImageSubscription] = []
        self._infos: list[Subscription] = []
        self._worker: Worker | None = None
        self._reported: dict[str, list[Any]] = {}
        self._weights = ''
        self._processing = ProcessingTime(lambda: self._settings)
        self._camera_tasks: list[CameraTask] = []
        self._engine_task = EngineTask(
            worker=lambda: self._worker,
            processing=self._processing,
            weights=lambda: self._weights,
        )
        super().__init__('segmenter')
        self._settings = parameters.declare(self)
        name = self.get_fully_qualified_name()
        for sentence in parameters.files_without_this_node(sys.argv, name):
            self.get_logger().warning(sentence)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self.create_service(SetBool, '~/enable', self._on_enable)
        self.create_service(Trigger, '~/reload', self._on_reload)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        # A steady clock: a watchdog must also work where simulated time stands still.
        self.create_timer(
            DIAGNOSTICS_PERIOD, self._on_timer, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    @property
    def autostart(self) -> bool:
        """Whether the node is to start itself."""
        return self._settings.autostart

    def start(self) -> bool:
        """Configure and activate; whether both went well."""
        return all(
            transition() == TransitionCallbackReturn.SUCCESS
            for transition in (self.trigger_configure, self.trigger_activate)
        )

    @_transition
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the network and create the publishers."""
        arrival = threading.Condition()
        slots = [CameraSlot(name, arrival) for name in self._settings.cameras]
        worker = Worker(
            slots,
            arrival,
            load=functools.partial(self._load, self._settings),
            batching=lambda segmenter: choose_batching(segmenter, len(slots)),
            deliver=self._deliver,
            processed=self._processing.add,
            max_rate=lambda: self._settings.max_rate,
            logger=self.get_logger(),
        )
        segmenter = worker.segmenter
        parameters.check_reported(self, _classes(segmenter.label_space))
        self._slots, self._worker = slots, worker
        self._camera_publishers = {slot.name: CameraPublishers(self, slot.prefix) for slot in slots}
        missing = {name for camera in self._camera_publishers.values() for name in camera.missing}
        if missing:
            self.get_logger().info(f'not installed, so not published: {", ".join(sorted(missing))}')
        self._announce_classes(segmenter.label_space)
        width, height = segmenter.network_size
        self.get_logger().info(
            f'loaded {self._weights}: {segmenter.checkpoint.network} at {width}x{height},'
            f' {segmenter.precision} on {segmenter.device}, engine {segmenter.settings.engine}'
        )
        return TransitionCallbackReturn.SUCCESS

    @_transition
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start to work and subscribe to the cameras."""
        assert self._worker is not None
        self._processing.clear()
        self._worker.start(self._on_work_ended)
        for slot in self._slots:
            publishers = self._camera_publishers[slot.name]
            publishers.age_ms.clear()
            image = ImageSubscription(self, slot, self._settings)
            task = CameraTask(
                slot, image.link, publishers.age_ms, lambda: self._settings, self.get_logger()
            )
            info = self.create_subscription(
                CameraInfo,
                f'{slot.prefix}camera_info',
                functools.partial(self._take_camera_info, slot.name),
                _CAMERA_INFO_QOS,
            )
            self._images.append(image)
            self._infos.append(info)
            self._camera_tasks.append(task)
            self.get_logger().info(f'{slot.label}: waiting for {image.topic}')
        return TransitionCallbackReturn.SUCCESS

    @_transition
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop to work, keep the network."""
        self._stop()
        return TransitionCallbackReturn.SUCCESS

    @_transition
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give everything back."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    @_transition
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and give everything back, from whatever state."""
        self._stop()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        """Stop whatever is going on, then take the node out of the graph."""
        self._stop()
        self._release()
        super().destroy_node()

    def _stop(self) -> None:
        for image in self._images:
            image.destroy()
        for info in self._infos:
            self.destroy_subscription(info)
        self._images.clear()
        self._infos.clear()
        self._camera_tasks.clear()
        if self._worker is not None:
            self._worker.stop()

    def _release(self) -> None:
        for publishers in self._camera_publishers.values():
            publishers.destroy()
        self._camera_publishers.clear()
        self._slots.clear()
        self._worker = None

    def _load(self, current: Settings) -> Segmenter:
        """The network that the parameters ask for; also called in the worker's thread."""
        # torch takes seconds to import, and who lacks it is to read what to do.
        try:
            from bisenet_ros.segmenter import Segmenter
        except ModuleNotFoundError as error:
            raise UserError(
                f'the Python module {error.name} is missing: {advice(str(error.name))}'
            ) from error
        segmenter = Segmenter.from_settings(current)
        self._weights = current.weights
        return segmenter

    def _take_camera_info(self, camera: str, info: CameraInfo) -> None:
        assert self._worker is not None
        late = self._worker.pipeline.take_camera_info(camera, info)
        if late is not None:
            self._camera_publishers[camera].publish_camera_info(late)

    def _deliver(self, slot: CameraSlot, frame: SegmentedFrame) -> None:
        result = Result(frame, self._settings.overlay_alpha)
        self._camera_publishers[slot.name].publish(result, slot.count_published)

    def _announce_classes(self, label_space: LabelSpace) -> None:
        """Publish what the ids mean, on the latched topic and as read-only parameters."""
        for publishers in self._camera_publishers.values():
            publishers.publish_label_info(label_space, self._settings.confidence_threshold)
        values = _classes(label_space)
        if values == self._reported:
            return
        self._reported = values
        # A descriptor that says read-only would forbid the node itself to follow a reload.
        for name, value in values.items():
            if self.has_parameter(name):
                self.undeclare_parameter(name)
            descriptor = ParameterDescriptor(
                description=REPORTED[name], additional_constraints='read-only'
            )
            self.declare_parameter(name, value, descriptor, ignore_override=True)

    def _on_set_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        values: dict[str, Any] = {}
        for parameter in parameters:
            reason = self._refusal(parameter)
            if reason is not None:
                return SetParametersResult(successful=False, reason=reason)
            if parameter.name in PARAMETERS:
                values[parameter.name] = plain(parameter.value)
        try:
            self._apply(replace(self._settings, **values))
        except UserError as error:
            return SetParametersResult(successful=False, reason=str(error))
        for name, value in values.items():
            if PARAMETERS[name].changes is Changes.ON_RELOAD and self._worker:
                self.get_logger().info(f'{name} = {value!r} takes effect with ~/reload')
        return SetParametersResult(successful=True)

    def _refusal(self, parameter: Parameter) -> str | None:
        name = parameter.name
        if name in REPORTED:
            if plain(parameter.value) == tuple(self._reported[name]):
                return None
            return f'{name} is read-only: it follows the weights'
        declaration = PARAMETERS.get(name)
        if declaration is None:
            return None
        if declaration.changes is Changes.ON_CONFIGURE and self._worker is not None:
            return (
                f'{name} cannot change while the node is configured: set it before, or clean the'
                ' node up first'
            )
        return declaration.refusal(plain(parameter.value))

    def _apply(self, proposed: Settings) -> None:
        """Work with new settings from now on.

        Raises:
            UserError: They contradict the loaded network; nothing has changed then.
        """
        if self._worker is not None:
            self._worker.apply(proposed)
        threshold = self._settings.confidence_threshold
        self._settings = proposed
        if self._worker is not None:
            self._worker.settings_changed()
            if proposed.confidence_threshold != threshold:
                self._announce_classes(self._worker.segmenter.label_space)

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        if self._worker is None:
            response.message = 'the node is not configured'
            return response
        self._worker.enable(request.data)
        response.success = True
        response.message = 'segmenting' if request.data else 'paused; the network stays loaded'
        return response

    def _on_reload(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._worker is None:
            response.message = 'the node is not configured: to configure it loads the weights'
            return response
        try:
            self._worker.reload(functools.partial(self._load, self._settings))
        except UserError as error:
            response.message = f'{error}. The network that was loaded before stays in use.'
            return response
        except DeviceLostError as error:
            self.ended.set_exception(error)
            response.message = str(error)
            return response
        self._announce_classes(self._worker.segmenter.label_space)
        response.success = True
        response.message = f'loaded {self._weights}'
        return response

    def _on_timer(self) -> None:
        for image in self._images:
            image.follow_publishers()
        tasks: list[Task] = [*self._camera_tasks, self._engine_task]
        array = DiagnosticArray()
        array.header.stamp = self.get_clock().now().to_msg()
        for task in tasks:
            status = Status(f'{self.get_fully_qualified_name().lstrip("/")}: {task.name}')
            task.run(status)
            array.status.append(status.message)
        self._diagnostics.publish(array)

    def _on_work_ended(self, work: WorkFuture[None]) -> None:
        error = work.exception()
        if error is not None:
            self.ended.set_exception(error)


def _classes(label_space: LabelSpace) -> dict[str, list[Any]]:
    """The read-only parameters: the names, and the colours one channel after the other."""
    return {
        'class_names': list(label_space.names),
        'class_colors': [channel for color in label_space.colors for channel in color],
    }


def main() -> int:
    """Run the node until it is asked to end; its exit code."""
    large_images.use_profile(os.environ)
    ended: Future = Future()
    with on_stop_signal(lambda: ended.set_result(None)):
        try:
            rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        except RuntimeError as error:  # a wrong argument after --ros-args, a parameter file
            print(f'segmenter_node: {error}', file=sys.stderr)
            return BAD_INPUT
        try:
            return _run(ended)
        finally:
            rclpy.shutdown()


def _run(ended: Future) -> int:
    try:
        node = SegmenterNode(ended)
    except (UserError, InvalidParameterTypeException) as error:  # the latter of rclpy's parameters
        get_logger('segmenter').error(str(error))
        return BAD_INPUT
    executor = SingleThreadedExecutor()
    try:
        executor.add_node(node)
        if node.autostart and not node.start():
            if ended.done():
                ended.result()
            return BAD_INPUT
        # Not spin_until_future_complete: up to Jazzy, each round of it adds a callback to `ended`.
        ended.add_done_callback(lambda _: executor.create_task(lambda: None))
        while not ended.done():
            executor.spin_once()
        ended.result()
        return 0
    except DeviceLostError as error:
        get_logger('segmenter').fatal(str(error))
        return DEVICE_LOST
    finally:
        executor.shutdown()
        node.destroy_node()
