# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Segments the frames of a bag and writes the results to a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bisenet_ros.bag.reader import ReplayBag
from bisenet_ros.bag.recorded_outputs import RecordedOutputs
from bisenet_ros.batching import choose_batching
from bisenet_ros.errors import UserError
from bisenet_ros.json_text import to_json
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.media import MediaError
from bisenet_ros.output_files import check_apart
from bisenet_ros.replay.measure.bag_pipeline import BagPipeline
from bisenet_ros.replay.measure.evaluation import Evaluation
from bisenet_ros.replay.measure.evaluator import Evaluator
from bisenet_ros.replay.measure.frame_lines import FrameLines
from bisenet_ros.replay.measure.frame_loop import FrameLoop
from bisenet_ros.replay.measure.output_bag import OutputBag
from bisenet_ros.replay.measure.provenance import describe_bag, describe_model
from bisenet_ros.replay.measure.run_result import FRAME_LINES, METRICS_FILE, OUTPUT_BAG
from bisenet_ros.replay.report.highlights import FrameSummary, find_highlights
from bisenet_ros.replay.report.page import write_page
from bisenet_ros.replay.report.pictures import draw_pictures
from bisenet_ros.replay.report.videos import OverlayVideos, videos_in
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.settings import Settings
from bisenet_ros.version import versions

if TYPE_CHECKING:  # Rerun is optional
    from bisenet_ros.rerun_view import RerunView

RESULTS = (FRAME_LINES, OUTPUT_BAG, METRICS_FILE, 'report.html')
"""Names of the files that a replay writes, in the order in which they are finished."""


def results_in(output: Path) -> list[Path]:
    """Returns the files that a replay into a folder replaces or removes."""
    return [*(output / name for name in RESULTS), *videos_in(output)]


def check_output(bag: ReplayBag, output: Path) -> None:
    """Checks, before anything is written, that the results of a bag may go into a folder.

    Raises:
        UserError: The results would replace a file of the bag, the folder is that of a bag, or a
            folder cannot be read.
    """
    check_apart(f'the bag {bag.path}', bag.files, results_in(output))
    if (output / 'metadata.yaml').exists():  # its next replay would list the results as its files
        raise UserError(
            f'{output} is the folder of a bag: choose another output folder, such as '
            f'{output / "replayed"}'
        )


@dataclass(frozen=True)
class ReplayResult:
    """Results of a replay.

    Attributes:
        metrics: The content of metrics.json.
        problems: One sentence for each kind of problem; none if the results are complete.
        evaluations: The counts behind the figures by image topic, for merging with other bags.
    """

    metrics: dict[str, Any]
    problems: list[str]
    evaluations: dict[str, Evaluation]


def replay(
    bag: ReplayBag,
    segmenter: Segmenter,
    settings: Settings,
    output: Path,
    advance: Callable[[], None],
    *,
    rate: float | None = None,
    recorded: RecordedOutputs | None = None,
    camera_images: bool = False,
    video: bool = False,
    view: RerunView | None = None,
) -> ReplayResult:
    """Segments the frames, and writes metrics.json, frames.jsonl, output.mcap and report.html.

    Unusable parts of the bag are left out and listed as problems. If writing fails, for example on
    a full disk, the results so far are kept, except output.mcap, which is removed to make room.

    Args:
        bag: The frames.
        segmenter: The segmenter, set up as in the node.
        settings: Node settings; `max_rate`, `overlay_alpha`, `ego_mask` and those of the ground are
            used.
        output: A folder; files of an earlier replay are removed before the first frame.
        advance: Called after every frame.
        rate: None to evaluate every frame. A number simulates arrival at that multiple of the
            recorded speed and leaves out the frames that the node would have dropped.
        recorded: Outputs of a running node, recorded at `rate`, to measure instead.
        camera_images: Copy the images of the bag to output.mcap.
        video: Write an overlay video for each camera.
        view: Shows every segmented frame; None for no view.

    Raises:
        UserError: See `check_output`; or a file of the bag cannot be read, or an ego mask cannot be
            used.
        OSError: Not even the results so far can be written.
    """
    check_output(bag, output)
    described = describe_bag(bag.path)
    lines = FrameLines(output / FRAME_LINES)
    outputs = OutputBag(output / OUTPUT_BAG, camera_images=camera_images)
    videos = OverlayVideos(output, bag.cameras, bag.seconds) if video else None
    simulated_arrival = rate is not None and recorded is None
    together = simulated_arrival and choose_batching(segmenter, len(bag.cameras)).together
    bag_pipeline = BagPipeline.of(bag, segmenter, settings)
    alpha = settings.overlay_alpha
    evaluator = Evaluator(bag, bag_pipeline.pipeline, alpha, lines, outputs, videos, view)
    loop = FrameLoop(bag, evaluator, advance)
    failure = ''
    for result in results_in(output):
        result.unlink(missing_ok=True)
    try:
        with lines, outputs, videos or nullcontext():
            if recorded is not None:
                loop.evaluate_recorded(recorded)
            elif rate is not None:
                loop.evaluate_taken(rate, together=together, max_rate=settings.max_rate)
            else:
                loop.evaluate_all()
    except MediaError as error:  # of a video
        failure = str(error)
    except OSError as error:
        failure = f'{output}: some results could not be written: {error.strerror or error}'
    damage = loop.damage or bag_pipeline.damage or bag.damage
    problems = [*filter(None, (damage, failure)), *evaluator.problems.lines()]
    if not (damage or failure):
        problems += bag.truth_problems()
    metrics = {
        'complete': not problems,
        'problems': problems,
        'notes': [
            *bag.notes,
            *bag.truth_notes(),
            *bag_pipeline.notes(bag),
            *_notes_on_sizes(segmenter, bag),
        ],
        'bag': described,
        'model': describe_model(segmenter),
        'parameters': settings.values(),
        'versions': versions(),
        'rate': rate,
        'max_rate': settings.max_rate if simulated_arrival else None,
        'live': recorded is not None,
        **evaluator.figures(loop.dropped),
    }
    _write(output, metrics, bag, evaluator.summaries, segmenter.label_space, alpha)
    return ReplayResult(metrics, problems, evaluator.evaluations)


def _write(
    output: Path,
    metrics: Mapping[str, Any],
    bag: ReplayBag,
    summaries: Sequence[FrameSummary],
    label_space: LabelSpace,
    alpha: float,
) -> None:
    """Writes metrics.json and report.html."""
    (output / METRICS_FILE).write_text(to_json(metrics) + '\n', encoding='utf-8')
    pictures = draw_pictures(bag, output, find_highlights(summaries), label_space, alpha)
    write_page(output / 'report.html', metrics, summaries, pictures, label_space)


def _notes_on_sizes(segmenter: Segmenter, bag: ReplayBag) -> list[str]:
    """Notes the size that figures refer to, if it is not the size of the camera's images."""
    size = segmenter.settings.output_size
    if not size or all(camera.labels_topic is None for camera in bag.cameras):
        return []
    width, height = size
    return [
        f'labels and masks are {width}x{height} (output_size); the ground truth was resized to '
        'that, by nearest neighbour, and figures in pixels refer to that size'
    ]
