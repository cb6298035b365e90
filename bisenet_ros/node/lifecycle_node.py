# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The lifecycle node `segmenter`: camera images in, labels and drivable masks out.

Image callbacks run in the main thread and only store the newest frame. One worker thread decodes,
segments and publishes. Another thread loads networks.
"""

from __future__ import annotations

import functools
import posixpath
import sys
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures import Future as WorkFuture
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import NameValidationException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.task import Future
from std_srvs.srv import SetBool, Trigger

from bisenet_ros.batching import choose_batching
from bisenet_ros.camera_ground import CameraGround
from bisenet_ros.camera_pipeline import SegmentedFrame
from bisenet_ros.camera_slot import CameraSlot
from bisenet_ros.declaration import Changes, plain
from bisenet_ros.ego_mask import load_ego_masks
from bisenet_ros.errors import UserError, first_line
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.malloc_tuning import return_free_memory
from bisenet_ros.message_types import COMPRESSED
from bisenet_ros.node import parameters
from bisenet_ros.node.camera import Camera
from bisenet_ros.node.ending import end, limited_time
from bisenet_ros.node.engine_task import EngineTask, ProcessingTime
from bisenet_ros.node.loader import Loader, import_segmenter, load_segmenter
from bisenet_ros.node.status import PERIOD, Status, Task
from bisenet_ros.node.topic_names import topic_name
from bisenet_ros.node.transforms import TransformListener, listen_to_transforms
from bisenet_ros.node.worker import Worker
from bisenet_ros.outputs import OUTPUTS, output_topic
from bisenet_ros.settings import REPORTED, Settings, declaration_of, is_ours

Transition = Callable[['SegmenterNode', LifecycleState], TransitionCallbackReturn]


def _transition(callback: Transition) -> Transition:
    """Wraps a lifecycle callback so that its errors reach the user.

    A `UserError` is logged as one line, and the transition fails. rclpy would swallow any other
    exception, so `SegmenterNode.ended` gets it first and ends the process with a traceback.
    """

    @functools.wraps(callback)
    def reporting(node: SegmenterNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return callback(node, state)
        except UserError as error:
            node.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            node.end(error)
            raise

    return reporting


class SegmenterNode(LifecycleNode):
    """The lifecycle node; spin it until `ended` is done.

    Attributes:
        ended: Done when the process is to end: with a result if it was asked to, with an exception
            after an unexpected error.
    """

    def __init__(self, ended: WorkFuture[None], loader: Loader) -> None:
        """
        Raises:
            UserError: A parameter value is refused, or ROS does not create the node.
        """
        self.ended = ended
        self._loader = loader
        self._cameras: dict[str, Camera] = {}  # by name, while the node is configured
        self._transforms: TransformListener | None = None
        self._worker: Worker | None = None
        self._last_reload: WorkFuture[None] | None = None  # of this worker
        self._reported: dict[str, list[Any]] = {}
        self._processing = ProcessingTime(lambda: self._settings)
        self._engine_task = EngineTask(
            worker=lambda: self._worker,
            processing=self._processing,
            loading=lambda: loader.busy,
        )
        try:
            with warnings.catch_warnings():  # about parts of a node whose creation failed
                warnings.simplefilter('ignore', RuntimeWarning)
                super().__init__('segmenter')
        except (NameValidationException, RuntimeError) as error:
            raise UserError(f'ROS cannot create the node: {_first_sentence(error)}') from error
        # Errors of rclpy's own callback of this service cannot be caught in any other place.
        transitions = self._service_change_state
        transitions.callback = functools.partial(self._on_change_state, transitions.callback)
        self._settings = parameters.declare(self)
        self._weights_at_start = self._settings.weights
        name = self.get_fully_qualified_name()
        for sentence in parameters.files_without_this_node(sys.argv, name):
            self.get_logger().warning(sentence)
        if foreign := parameters.foreign(self):
            names = ', '.join(foreign)
            self.get_logger().warning(f'parameters of other nodes are ignored: {names}')
        if hasattr(self, 'add_pre_set_parameters_callback'):  # newer than Humble
            self.add_pre_set_parameters_callback(functools.partial(parameters.converted, self))
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self.create_service(SetBool, '~/enable', self._on_enable)
        # In its own callback group, because it waits, and nothing else in its group runs meanwhile.
        self.create_service(
            Trigger, '~/reload', self._on_reload, callback_group=ReentrantCallbackGroup()
        )
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        # A steady clock: a watchdog must also work where simulated time stands still.
        self.create_timer(PERIOD, self._on_timer, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @property
    def autostart(self) -> bool:
        """Whether the node configures and activates itself at start."""
        return self._settings.autostart

    def start(self) -> bool:
        """Configures and activates the node; returns whether both succeeded."""
        return all(
            transition() == TransitionCallbackReturn.SUCCESS
            for transition in (self.trigger_configure, self.trigger_activate)
        )

    def end(self, error: BaseException | None = None) -> None:
        """Ends the process; only the first call has an effect."""
        end(self.ended, error)

    @_transition
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Loads the network and creates the publishers."""
        self._check_topic_names()
        names, arrival = self._settings.cameras, threading.Condition()
        slots = [CameraSlot(name, arrival) for name in names]
        self._transforms = transforms = listen_to_transforms(self, self._forget_poses)
        grounds = {
            name: CameraGround(
                name,
                lambda: self._settings,
                transforms,
                self.resolve_topic_name(posixpath.join(name, 'camera_info')),
            )
            for name in names
        }
        try:
            self._worker = self._load_worker(slots, arrival, grounds)
        finally:
            if self._worker is None:
                self._stop_transforms()
        if self._worker is None:
            return TransitionCallbackReturn.FAILURE
        self._cameras = {
            slot.name: Camera(self, slot, grounds[slot.name], lambda: self._settings)
            for slot in slots
        }
        missing = {name for camera in self._cameras.values() for name in camera.publishers.missing}
        if missing:
            self.get_logger().info(
                'these message types are not installed, so their topics are not published:'
                f' {", ".join(sorted(missing))}'
            )
        segmenter = self._worker.segmenter
        self._publish_label_info(segmenter.label_space)
        self._report_classes(segmenter.label_space)
        width, height = segmenter.network_size
        self.get_logger().info(
            f'loaded {segmenter.settings.weights}: {segmenter.checkpoint.network} at'
            f' {width}x{height}, {segmenter.precision} on {segmenter.device},'
            f' engine {segmenter.engine}'
        )
        return TransitionCallbackReturn.SUCCESS

    def _load_worker(
        self,
        slots: Sequence[CameraSlot],
        arrival: threading.Condition,
        grounds: Mapping[str, CameraGround],
    ) -> Worker | None:
        """Loads the network; returns None if the process is to end.

        Raises:
            UserError: The network, an ego mask or a reported parameter is refused.
        """
        settings = self._settings
        ego_masks = load_ego_masks(
            {name: settings.for_camera(name).ego_mask for name in settings.cameras}
        )
        importing = self._loader.submit(import_segmenter)
        if not self._wait_for(importing):
            return None
        importing.result()
        loading = self._loader.submit(
            lambda: Worker(
                slots,
                arrival,
                load=functools.partial(load_segmenter, settings),
                batching=lambda segmenter: choose_batching(segmenter, len(slots)),
                deliver=self._deliver,
                timed=self._processing.batch,
                max_rate=lambda: self._settings.max_rate,
                logger=self.get_logger(),
                ego_masks=ego_masks,
                grounds=grounds,
            )
        )
        if not self._wait_for(loading):
            return None
        worker = loading.result()
        if settings.weights == self._weights_at_start:
            parameters.check_reported(self, _classes(worker.segmenter.label_space))
        return worker

    @_transition
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Starts the worker and subscribes to the cameras."""
        assert self._worker is not None
        self._processing.clear()
        self._worker.start(self._on_work_ended)
        for camera in self._cameras.values():
            camera.subscribe(self._worker.pipeline)
        return TransitionCallbackReturn.SUCCESS

    @_transition
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops the worker and keeps the network."""
        self._stop()
        return TransitionCallbackReturn.SUCCESS

    @_transition
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Releases the network and the publishers."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    @_transition
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops the worker and releases everything, from any state."""
        self._stop()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        """Stops the worker, releases everything and destroys the node."""
        self._stop()
        self._release()
        super().destroy_node()

    def _stop(self) -> None:
        with limited_time(self.ended):
            for camera in self._cameras.values():
                camera.unsubscribe()
            if self._worker is not None:
                self._worker.stop()  # nothing can interrupt a batch, and this waits for it

    def _release(self) -> None:
        with limited_time(self.ended):
            for camera in self._cameras.values():
                camera.publishers.destroy()
            self._cameras.clear()
            self._stop_transforms()
            self._worker = self._last_reload = None
            return_free_memory()

    def _stop_transforms(self) -> None:
        if self._transforms is not None:
            self._transforms.destroy()
            self._transforms = None

    def _forget_poses(self) -> None:
        for camera in self._cameras.values():
            camera.ground.forget_pose()

    def _check_topic_names(self) -> None:
        """Refuses topic names that ROS does not accept, such as names that are too long.

        Raises:
            UserError: A name is invalid; the message tells which.
        """
        inputs = ('image', f'image{COMPRESSED}', 'camera_info')
        for camera in self._settings.cameras:
            subscribed = (posixpath.join(camera, name) for name in inputs)
            published = (output_topic(camera, output.name) for output in OUTPUTS)
            for topic in (*subscribed, *published):
                try:
                    self.resolve_topic_name(topic_name(self, topic))
                except RuntimeError as error:
                    raise UserError(
                        f'ROS rejects the topic name {topic} (namespace {self.get_namespace()},'
                        f' after remapping): {_first_sentence(error)}'
                    ) from error

    def _wait_for(self, loading: WorkFuture[Any]) -> bool:
        """Waits until something is loaded; returns False if the process is to end.

        ROS answers a transition when its callback returns, and runs no other callback meanwhile, so
        diagnostics are published from here.
        """
        while not loading.done():
            wait([loading, self.ended], timeout=PERIOD, return_when=FIRST_COMPLETED)
            if self.ended.done():
                return False
            self._publish_diagnostics()
        return True

    def _on_change_state(
        self,
        change: Callable[[ChangeState.Request, ChangeState.Response], ChangeState.Response],
        request: ChangeState.Request,
        response: ChangeState.Response,
    ) -> ChangeState.Response:
        """Changes the state, or refuses a transition that the current state does not have.

        Up to Jazzy, rclpy raises an error then, which would end the process.
        """
        try:
            return change(request, response)
        except RuntimeError as error:
            self.get_logger().error(f'the transition is refused: {_first_sentence(error)}')
            response.success = False
            return response

    def _done(self, loading: WorkFuture[Any]) -> Future:
        """Returns a future that a callback can await until something is loaded."""
        done: Future = Future()

        def wake(_: WorkFuture[Any]) -> None:
            done.set_result(None)
            if self.executor is not None:  # it checks awaited futures whenever it wakes up
                self.executor.wake()

        loading.add_done_callback(wake)
        return done

    def _deliver(self, frame: SegmentedFrame) -> None:
        assert self._worker is not None
        self._cameras[frame.camera].deliver(frame, self._worker.segmenter)

    def _publish_label_info(self, label_space: LabelSpace) -> None:
        for camera in self._cameras.values():
            camera.publish_label_info(label_space)

    def _report_classes(self, label_space: LabelSpace) -> None:
        """Sets the read-only parameters of the classes."""
        values = _classes(label_space)
        if values == self._reported:
            return
        self._reported = values
        # With a read-only descriptor, the node itself could not change them after a reload.
        for name, value in values.items():
            if self.has_parameter(name):
                self.undeclare_parameter(name)
            descriptor = ParameterDescriptor(
                description=REPORTED[name], additional_constraints='read-only'
            )
            self.declare_parameter(name, value, descriptor, ignore_override=True)

    def _on_set_parameters(self, given: list[Parameter]) -> SetParametersResult:
        values: dict[str, Any] = {}
        for parameter in given:
            reason = self._refusal(parameter)
            if reason is not None:
                return SetParametersResult(successful=False, reason=reason)
            if is_ours(parameter.name):
                values[parameter.name] = plain(parameter.value)
        try:
            self._apply(self._settings.changed(values))
        except UserError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if 'cameras' in values:
            parameters.declare_of_cameras(self, self._settings)
        for name, value in values.items():
            if declaration_of(name).changes is Changes.ON_RELOAD and self._worker:
                self.get_logger().info(f'{name} = {value!r} takes effect with ~/reload')
        return SetParametersResult(successful=True)

    def _refusal(self, parameter: Parameter) -> str | None:
        name = parameter.name
        if name in REPORTED:
            if plain(parameter.value) == tuple(self._reported[name]):
                return None
            return f'{name} is read-only: its value comes from the weights'
        if not is_ours(name):
            return None
        declaration, value = declaration_of(name), plain(parameter.value)
        if (
            declaration.changes is Changes.ON_CONFIGURE
            and self._worker is not None
            and value != plain(self.get_parameter(name).value)
        ):
            return (
                f'{name} cannot change while the node is configured: deactivate and clean up the'
                ' node first (`ros2 lifecycle set`), or set it in the parameter file'
            )
        return declaration.refusal(value)

    def _apply(self, proposed: Settings) -> None:
        """Applies new settings.

        Raises:
            UserError: They contradict the loaded network; nothing changes then.
        """
        if self._worker is not None:
            try:
                self._worker.apply(proposed)
            except UserError as error:
                loaded = self._worker.segmenter.settings.weights
                if proposed.weights == loaded:
                    raise
                raise UserError(
                    f'{error}. This holds for the loaded weights, {loaded}. For others, first set'
                    " weights, and drivable_classes to [''], then call ~/reload, and then set this"
                ) from error
        threshold = self._settings.confidence_threshold
        self._settings = proposed
        if self._worker is not None:
            self._worker.settings_changed()
            if proposed.confidence_threshold != threshold:
                self._publish_label_info(self._worker.segmenter.label_space)

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        if self._worker is None:
            response.message = (
                f'the node is not configured: run {self._command("configure")}, then'
                f' {self._command("activate")}'
            )
            return response
        if not self._worker.running:  # starting it would end a pause
            response.message = f'the node is not active: run {self._command("activate")}'
            return response
        if request.data and not self._worker.enabled:
            for camera in self._cameras.values():  # one that has stopped left an old frame
                if camera.slot.take() is not None:
                    camera.slot.count_dropped()
            self._processing.clear()  # a pause is no delay
        self._worker.enable(request.data)
        response.success = True
        response.message = 'segmenting' if request.data else 'paused; the network stays loaded'
        return response

    def _command(self, transition: str) -> str:
        """Returns the command that leads this node through a transition."""
        return f'`ros2 lifecycle set {self.get_fully_qualified_name()} {transition}`'

    async def _on_reload(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        worker = self._worker
        if worker is None:
            response.message = (
                f'the node is not configured: run {self._command("configure")} to load the weights'
            )
            return response
        loading = self._reload(worker)
        await self._done(loading)
        if self._last_reload is loading:
            self._last_reload = None  # the traceback of an error would keep what was loaded
        try:
            loading.result()
        # RuntimeError and MemoryError come from the allocators of torch and Python.
        except (UserError, RuntimeError, MemoryError) as error:
            reason = str(error)
            if not isinstance(error, UserError):
                reason = f'loading failed: {first_line(error)}'
            response.message = f'{reason}. The network that was loaded before stays in use.'
            return response
        except Exception as error:
            self.end(error)
            response.message = str(error)
            return response
        if worker is not self._worker:
            response.message = 'the node was cleaned up before the network was loaded'
            return response
        self._report_classes(worker.segmenter.label_space)
        response.success = True
        response.message = f'loaded {worker.segmenter.settings.weights}'
        return response

    def _reload(self, worker: Worker) -> WorkFuture[None]:
        """Schedules the loading of another network.

        Calls that wait for an earlier load share the next one. It takes the parameters as they are
        when it starts, so it is what each of them asked for.
        """
        last = self._last_reload
        if last is None or last.running() or last.done():  # it may have read the parameters
            load = functools.partial(worker.reload, lambda: load_segmenter(self._settings))
            self._last_reload = last = self._loader.submit(load)
        return last

    def _on_timer(self) -> None:
        for camera in self._cameras.values():
            camera.follow_publishers()
        self._publish_diagnostics()

    def _publish_diagnostics(self) -> None:
        cameras = (camera.task for camera in self._cameras.values())
        tasks: list[Task] = [*filter(None, cameras), self._engine_task]
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
            self.end(error)


def _first_sentence(error: Exception) -> str:
    """Returns the message of a ROS error without source locations."""
    return first_line(error).partition(', at /')[0].rstrip(':')


def _classes(label_space: LabelSpace) -> dict[str, list[Any]]:
    """Returns the read-only parameters: the class names, and the colours as a flat list."""
    return {
        'class_names': list(label_space.names),
        'class_colors': [channel for color in label_space.colors for channel in color],
    }
