# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command line, `bisenet VERB`: one function per verb, which imports what it needs.

Exit codes: 0 on success, 1 if a criterion or a process failed, 2 on bad input, with one line that
says why, and 130 after Ctrl-C, 143 after SIGTERM and 129 after SIGHUP.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from bisenet_ros.extras import EXTRAS, advice

try:
    import typer
    from typer.core import TyperGroup
except ModuleNotFoundError as error:
    sys.exit(f'bisenet: {error.name} is not installed: {advice(*EXTRAS["tools"])}')

from bisenet_ros.commands.options import ModelOptions, takes_model_options, warn_of_foreign
from bisenet_ros.errors import UserError, printable
from bisenet_ros.process_tuning import prepare_process
from bisenet_ros.signals import ended_by_signals
from bisenet_ros.version import VERSION
from bisenet_training.dataset_registry import DATASETS

if TYPE_CHECKING:  # Rerun is optional
    from bisenet_ros.rerun_view import ViewTarget


# Typer uses click, or a copy of its own, depending on its version.
_UsageError: Any = typer.BadParameter.__base__


_NOT_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of standard output that are not those of a pipe whose reader is gone."""


class _ErrorReportingGroup(TyperGroup):
    """Turns exceptions of a verb into an exit code and one line on standard error."""

    def make_context(self, info_name: str | None, *args: Any, **extra: Any) -> Any:
        with _reported_errors(lambda: str(info_name)):
            return super().make_context(info_name, *args, **extra)

    def invoke(self, ctx: Any) -> Any:
        with _reported_errors(lambda: f'{ctx.command_path} {ctx.invoked_subcommand}'):
            return super().invoke(ctx)


@contextmanager
def _reported_errors(command: Callable[[], str]) -> Iterator[None]:
    """Turns exceptions into an exit code and one line on standard error.

    Args:
        command: Returns the command whose help explains a wrong option that does not say which
            command it belongs to.
    """
    try:
        yield
    except UserError as error:
        print(f'bisenet: {error}', file=sys.stderr)
        raise typer.Exit(2) from error
    except ModuleNotFoundError as error:
        library = str(error.name).partition('.')[0]
        if library in ('bisenet_ros', 'bisenet_training'):
            raise
        message = f'{library} is not installed: {advice(*EXTRAS["tools"])}'
        print(f'bisenet: {message}', file=sys.stderr)
        raise typer.Exit(2) from error
    except _UsageError as error:
        message = error.format_message().rstrip('.')
        if not message or '\n' in message:  # the help of a verb without arguments
            raise
        place = command() if error.ctx is None else error.ctx.command_path
        print(f'bisenet: {message}; see {place} --help', file=sys.stderr)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as error:
        raise typer.Exit(130) from error


app = typer.Typer(
    name='bisenet',
    cls=_ErrorReportingGroup,
    help='Semantic segmentation of camera images: class labels and drivable area.',
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode='markdown',
    context_settings={'help_option_names': ['-h', '--help']},
)


def _writable(file: Path | None) -> Path | None:
    """Checks, before the work begins, that a result file can be written."""
    if file is not None:
        from bisenet_ros.output_files import check_writable

        check_writable(file)
    return file


DataFolder = Annotated[
    Path,
    typer.Option(
        '--data',
        metavar='DIR',
        help='Folder of the data set. For pairs: a folder with images/ and labels/, or a text '
        'file with an image and its label image on each line.',
    ),
]
DatasetKind = Annotated[
    str,
    typer.Option('--dataset', metavar='NAME', help=f'Kind of data set: {", ".join(DATASETS)}.'),
]
Split = Annotated[
    str | None,
    typer.Option('--split', help="Split to evaluate; default: the data set's own, such as val."),
]
OutputFolder = Annotated[
    Path,
    typer.Option('--output', '-o', metavar='DIR', help='Output folder.'),
]
LabelMap = Annotated[
    Path | None,
    typer.Option(
        '--label-map',
        metavar='FILE',
        help='For pairs: a YAML file that maps label values to classes.',
    ),
]
CheckpointFile = Annotated[
    Path,
    typer.Option(
        '--output',
        '-o',
        metavar='DST',
        dir_okay=False,
        callback=_writable,
        help='The .safetensors file to write.',
    ),
]
Weights = Annotated[
    str,
    typer.Option(
        '--weights',
        metavar='NAME_OR_PATH',
        help='The name of shipped weights, or a checkpoint file.',
    ),
]
Json = Annotated[
    Path | None,
    typer.Option(
        '--json',
        metavar='FILE',
        dir_okay=False,
        allow_dash=True,
        callback=_writable,
        help='Also write the figures as JSON; - is standard output.',
    ),
]

View = Annotated[
    bool,
    typer.Option(
        '--view',
        help='Show the frames in Rerun: in the viewer that runs on this machine, or in a new one.',
    ),
]
ViewFile = Annotated[
    Path | None,
    typer.Option(
        '--view-file',
        metavar='FILE.rrd',
        dir_okay=False,
        callback=_writable,
        help='Write the frames into a Rerun recording, for a viewer on any machine.',
    ),
]

FailUnder = Annotated[
    list[str] | None,
    typer.Option(
        '--fail-under',
        metavar='NAME=MINIMUM,...',
        help='Exit with 1 if a figure is below its minimum, e.g. miou=0.60,drivable_iou=0.90.',
    ),
]


def _view_target(viewer: bool, file: Path | None) -> ViewTarget | None:
    """Returns the destinations for `--view` and `--view-file`; None without either.

    Raises:
        UserError: Rerun is not installed.
    """
    if not viewer and file is None:
        return None
    from bisenet_ros.rerun_view import ViewTarget

    return ViewTarget(viewer, file)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f'bisenet {VERSION}')
        raise typer.Exit


def _refer_to_compare(wanted: bool) -> None:
    if wanted:
        raise UserError('replay has no --compare; use: bisenet compare RUN_A RUN_B -o DIR')


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            '--version', callback=_print_version, is_eager=True, help='Print the version and exit.'
        ),
    ] = False,
) -> None:
    prepare_process()


@app.command(no_args_is_help=True)
@takes_model_options
def segment(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar='INPUT', help='Images, videos, or folders of them.'),
    ],
    output: OutputFolder,
    mounting: Annotated[
        tuple[float, float, float, float, float, float] | None,
        typer.Option(
            '--mounting',
            metavar='X Y Z ROLL PITCH YAW',
            help='The pose of the camera on the vehicle, in metres and radians.',
        ),
    ] = None,
    camera_info: Annotated[
        Path | None,
        typer.Option(
            '--camera-info',
            metavar='FILE',
            dir_okay=False,
            help="The camera's calibration (YAML of camera_calibration).",
        ),
    ] = None,
    json: Json = None,
    *,
    model: ModelOptions,
) -> None:
    """Segment images, folders and videos.

    Writes `NAME_labels.png` (class ids), `NAME_drivable.png` (255 where the vehicle may drive) and
    `NAME_overlay.jpg` for each image NAME.jpg (or .png, ...), at the size of the image. A video
    gives both PNG files for every frame (`NAME_000000_labels.png`, ...) and one overlay video,
    `NAME_overlay.webm`. If a video is truncated, the frames before are segmented, and the exit code
    is 1. Subfolders of a folder are not searched.

    With `--mounting` and `--camera-info`, `NAME_birdseye.png` shows the ground from above: free in
    green, the first contact in red.
    """
    from bisenet_ros.commands.segment import segment_files

    settings = model.read_for_one_camera()
    if mounting is not None:
        if camera_info is None:
            raise UserError('--mounting needs the calibration of the camera, too: --camera-info')
        settings = settings.changed({'mounting': mounting})
    if not segment_files(inputs, output, settings, camera_info=camera_info, json_file=json):
        raise typer.Exit(1)


@app.command(no_args_is_help=True)
def record(
    folder: Annotated[
        Path,
        typer.Argument(metavar='FOLDER', help='Images, taken in natural order of their names.'),
    ],
    output: Annotated[
        Path,
        typer.Option(
            '--output',
            '-o',
            metavar='BAG',
            help='The bag to create; it must not exist yet.',
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            '--labels',
            metavar='FOLDER',
            help='Ground truth: one label image per frame, with the same name.',
        ),
    ] = None,
    rate: Annotated[float, typer.Option('--rate', help='Frames per second.')] = 15.0,
    storage: Annotated[
        Literal['mcap', 'sqlite3'], typer.Option('--storage', help='Storage format of the bag.')
    ] = 'mcap',
    weights: Weights = 'camvid',
) -> None:
    """Turn a folder of images, with or without ground truth, into a rosbag2.

    The bag has bgr8 images on `/image`, stamped one frame period apart, and with `--labels` class
    ids on `/ground_truth/labels` with the same stamps. `ros2 bag play BAG` feeds it to a running
    segmenter_node; `bisenet demo --source BAG` measures the node on it. Label values are the class
    ids of `--weights`. Two values mean "no class": 255, and the number of classes, as in CamVid.
    """
    from bisenet_ros.commands.record import record_folder

    record_folder(folder, output, labels, rate=rate, storage=storage, weights=weights)


@app.command(no_args_is_help=True)
@takes_model_options
def replay(
    bags: Annotated[
        list[Path],
        typer.Argument(
            metavar='BAG',
            help='Rosbag2 folders, .mcap or .db3 files, ROS 1 .bag files, or folders of them.',
        ),
    ],
    output: OutputFolder,
    image_topic: Annotated[
        str | None,
        typer.Option(
            '--image-topic', metavar='T', help='Evaluate this camera only; default: all cameras.'
        ),
    ] = None,
    labels_topic: Annotated[
        str | None,
        typer.Option(
            '--labels-topic',
            metavar='T',
            help='Topic of the ground truth (mono8); default: ground_truth/labels in the namespace '
            'of the camera.',
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            '--labels',
            metavar='FOLDER',
            help='Ground truth as label images. The last number in a file name is the stamp of the '
            'frame in nanoseconds, or its number in the bag.',
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            '--rate',
            metavar='R',
            help='Simulate arrival at R times the recorded speed: frames that the node would have '
            'dropped are not evaluated.',
        ),
    ] = None,
    live: Annotated[
        bool,
        typer.Option(
            '--live',
            help='Play the bag to a segmenter_node on ROS 2 and measure its output; --rate R sets '
            'the playback speed.',
        ),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            '--workers',
            metavar='N',
            help='Number of bags to evaluate at the same time; default: as many as the cores '
            'and GPUs of this machine allow.',
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            '--ray',
            metavar='ADDRESS',
            help='Evaluate on a Ray cluster. All nodes need the bags and the output folder under '
            'the same paths.',
        ),
    ] = None,
    with_input: Annotated[
        bool, typer.Option('--with-input', help='Copy the input images into output.mcap.')
    ] = False,
    video: Annotated[
        bool, typer.Option('--video', help='Write an overlay video (WebM) for each camera.')
    ] = False,
    view: View = False,
    view_file: ViewFile = None,
    fail_under: FailUnder = None,
    compare: Annotated[
        bool, typer.Option('--compare', hidden=True, is_eager=True, callback=_refer_to_compare)
    ] = False,
    *,
    model: ModelOptions,
) -> None:
    """Evaluate a model on recorded bags, without ROS.

    Writes `report.html`, `metrics.json` (accuracy if there is ground truth, confidence, flicker,
    latency, model and versions), `frames.jsonl` (one line per frame) and `output.mcap` (labels,
    drivable mask, overlay and timing, for Foxglove). If a bag is damaged, the readable part is
    evaluated, the problems are listed, and the exit code is 2.

    With several bags, each one gets a folder of its own, and the totals over all frames are written
    beside them.
    """
    target = _view_target(view, view_file)
    from bisenet_ros.commands.replay import replay_bags

    if not replay_bags(
        bags,
        output,
        model.read(),
        image_topic=image_topic,
        labels_topic=labels_topic,
        labels_folder=labels,
        rate=rate,
        live=live,
        workers=workers,
        ray=ray,
        with_input=with_input,
        video=video,
        view=target,
        fail_under=fail_under or (),
    ):
        raise typer.Exit(1)


@app.command(no_args_is_help=True)
def compare(
    run_a: Annotated[
        Path, typer.Argument(metavar='RUN_A', help='Output folder of a replay: the baseline.')
    ],
    run_b: Annotated[
        Path,
        typer.Argument(metavar='RUN_B', help='Output folder of another replay of the same frames.'),
    ],
    output: OutputFolder,
    fail_under: FailUnder = None,
) -> None:
    """Compare two replays of the same frames: what changed from A to B?

    Writes `comparison.html` and `comparison.json`: the change of every figure with its confidence
    interval, and the frames that changed most. `--fail-under` takes figures of B, or B minus A with
    the prefix `change.`, e.g. `change.miou=-0.01`.
    """
    from bisenet_ros.commands.compare import compare_runs

    if not compare_runs(run_a, run_b, output, fail_under or ()):
        raise typer.Exit(1)


@app.command(no_args_is_help=True)
@takes_model_options
def check(
    scenario: Annotated[
        Path,
        typer.Argument(metavar='SCENARIO', help='A YAML file with bags, weights and criteria.'),
    ],
    output: OutputFolder = Path('out/check'),
    *,
    model: ModelOptions,
) -> None:
    """Replay the bags of a scenario and check its criteria.

    Writes the files of `replay` for each bag, and `result.json`. The exit code is 0 if all criteria
    are met, 1 if not, and 2 on bad input.
    """
    from bisenet_ros.commands.check import check_scenario

    if not check_scenario(scenario, output, model.read):
        raise typer.Exit(1)


@app.command()
@takes_model_options
def demo(
    source: Annotated[
        Path | None,
        typer.Option(
            '--source',
            metavar='PATH',
            help='A video, a folder of images or a bag, instead of the synthetic drive.',
        ),
    ] = None,
    output: OutputFolder = Path('out/demo'),
    seconds: Annotated[
        float, typer.Option('--seconds', min=1.0, help='How many seconds of the source to stream.')
    ] = 45.0,
    seed: Annotated[int, typer.Option('--seed', min=0, help='Seed of the synthetic drive.')] = 0,
    verify: Annotated[
        bool,
        typer.Option(
            '--verify', help='Segment the frames again without ROS, and compare the labels.'
        ),
    ] = False,
    view: View = False,
    view_file: ViewFile = None,
    json: Json = None,
    *,
    model: ModelOptions,
) -> None:
    """Run camera, node and recorder as three processes on ROS 2, and measure them.

    The camera publishes a synthetic drive with exact ground truth, or `--source` at its own rate.
    From a bag with several cameras it takes `/image`, or the camera with the most images if there
    is no `/image`, and the ground truth in `ground_truth/labels` if the bag has it. Writes
    `index.html` with a video, pictures and figures. The processes are isolated from the rest of the
    ROS network. If a video is truncated, or a frame or its ground truth cannot be used, the rest is
    reported, and the exit code is 1.
    """
    target = _view_target(view, view_file)
    from bisenet_ros.commands.demo import Demo, Scene, show_demo

    scene = Scene(path=source, seconds=seconds, seed=seed)
    settings = model.read(defaults=scene.parameters)
    if not show_demo(Demo(scene, output, settings, verify, target), json):
        raise typer.Exit(1)


@app.command(no_args_is_help=True)
def train(
    config: Annotated[
        str,
        typer.Argument(
            metavar='CONFIG',
            help='A YAML file, or the name of a recipe that ships with the package.',
        ),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar='KEY.SUB=VALUE',
            help='Values to override, e.g. data=/datasets/camvid or optimizer.lr=0.01.',
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            '--output',
            '-o',
            metavar='DIR',
            help='Folder of the run; default: runs/CONFIG.',
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option('--resume', help='Continue the run in that folder.')
    ] = False,
) -> None:
    """Train a network.

    The folder of the run holds its configuration, curves, sample predictions and, at the end, an
    evaluation and `weights.safetensors`. An interrupted run continues with `--resume`.
    On several GPUs or machines: `torchrun --nproc-per-node N -m bisenet_ros.cli train CONFIG`.
    """
    from bisenet_ros.commands.train import train as run_training

    status = run_training(config, overrides or [], output, resume=resume)
    if status:
        raise typer.Exit(status)


@app.command(no_args_is_help=True)
@takes_model_options
def evaluate(
    data: DataFolder,
    dataset: DatasetKind = 'camvid',
    split: Split = None,
    label_map: LabelMap = None,
    scales: Annotated[
        str,
        typer.Option(
            '--scales',
            metavar='S,...',
            help='Average predictions over these scales, relative to the network size.',
        ),
    ] = '1',
    flip: Annotated[
        bool, typer.Option('--flip', help='Average with predictions on the mirrored frame.')
    ] = False,
    crop: Annotated[
        str | None,
        typer.Option(
            '--crop',
            metavar='WxH',
            help='Slide a window of this size over the scaled frame, and average overlaps.',
        ),
    ] = None,
    stride: Annotated[
        float | None,
        typer.Option(
            '--stride', help='Stride of the window as a fraction of its size; default: 2/3.'
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            '--output',
            '-o',
            metavar='DIR',
            help='Write a report with the worst frames, and the labels of all frames.',
        ),
    ] = None,
    submission: Annotated[
        Path | None,
        typer.Option(
            '--submission',
            metavar='DIR',
            help='Write label images in the format of the evaluation server of the data set.',
        ),
    ] = None,
    json: Json = None,
    *,
    model: ModelOptions,
) -> None:
    """Measure accuracy on a data set: IoU by class and of drivable area, boundaries, calibration.

    IoU comes from one confusion matrix over the whole split; unlabelled pixels do not count. Frames
    are segmented exactly as on the vehicle. With `--scales`, `--flip` or `--crop`, class
    probabilities are averaged over several views of each frame.
    """
    from bisenet_ros.commands.evaluate import Outputs, evaluate_weights, views_of
    from bisenet_training.evaluation.source import Source

    evaluate_weights(
        Source.named(dataset, data, split, label_map),
        views_of(scales, flip, crop, stride),
        Outputs(json, output, submission),
        model.read().model,
    )


@app.command(no_args_is_help=True)
@takes_model_options
def calibrate(
    data: DataFolder,
    output: CheckpointFile,
    false_drivable: Annotated[
        float | None,
        typer.Option(
            '--false-drivable',
            metavar='A',
            help="State that at most this share of a frame's drivable mask, on average, is not "
            'drivable.',
        ),
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(
            '--confidence',
            metavar='C',
            help='Probability with which the statement must hold; default: 0.95.',
        ),
    ] = None,
    dataset: DatasetKind = 'camvid',
    split: Split = None,
    label_map: LabelMap = None,
    json: Json = None,
    *,
    model: ModelOptions,
) -> None:
    """Measure how often the drivable mask is wrong, and state the rate in a checkpoint.

    With `--false-drivable`, the checkpoint states that rate, and the node uses the
    drivable_threshold that keeps it. Without, it only gets the statistics that
    `segmentation/anomaly` needs. The frames must be new to the network, and like those that the
    vehicle will see.
    """
    from bisenet_ros.commands.calibrate import Limit, calibrate_weights
    from bisenet_training.evaluation.source import Source

    limit = None
    if false_drivable is not None:
        limit = Limit(false_drivable, 0.95 if confidence is None else confidence)
    elif confidence is not None:
        raise UserError('--confidence needs --false-drivable')
    calibrate_weights(
        Source.named(dataset, data, split, label_map),
        limit,
        output,
        model.read(),
        json,
    )


@app.command(no_args_is_help=True)
def export(
    output: Annotated[
        Path,
        typer.Option(
            '--output',
            '-o',
            metavar='FILE',
            dir_okay=False,
            callback=_writable,
            help='NAME.onnx, NAME.xml (NAME.bin goes beside it) or NAME.torchscript.',
        ),
    ],
    format: Annotated[
        Literal['onnx', 'openvino', 'torchscript'], typer.Option('--format', help='File format.')
    ] = 'onnx',
    params: Annotated[
        list[Path] | None,
        typer.Option(
            '--params',
            metavar='FILE',
            dir_okay=False,
            help='A ROS parameter file of the node; only weights and network_size are used.',
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            '--weights',
            metavar='NAME_OR_PATH',
            help='The name of shipped weights, or a checkpoint file; default: camvid.',
        ),
    ] = None,
    preprocessing: Annotated[
        bool,
        typer.Option(
            '--preprocessing',
            help='Input: uint8 BGR frames (B, H, W, 3), instead of normalised float images.',
        ),
    ] = False,
    argmax: Annotated[
        bool, typer.Option('--argmax', help='Output: uint8 labels (B, H, W), instead of logits.')
    ] = False,
    network_size: Annotated[
        tuple[int, int] | None,
        typer.Option(
            '--network-size',
            metavar='WIDTH HEIGHT',
            min=32,
            help='Input size; default: the size that the weights were trained for.',
        ),
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            '--device',
            metavar='DEVICE',
            help='Device for the comparison with PyTorch: auto, cuda, cuda:N or cpu.',
        ),
    ] = 'cpu',
    precision: Annotated[
        Literal['auto', 'fp32', 'fp16'],
        typer.Option(
            '--precision',
            help='Precision of the weights and, where supported, of the arithmetic; auto is fp32.',
        ),
    ] = 'auto',
    frames: Annotated[
        Path | None,
        typer.Option(
            '--frames',
            metavar='FOLDER',
            help='Images for the comparison; default: frames of the synthetic drive.',
        ),
    ] = None,
    json: Json = None,
) -> None:
    """Export weights to ONNX, OpenVINO or TorchScript, and compare the result with PyTorch.

    The exported model takes one network size and any batch size. Its metadata holds classes, mean
    and standard deviation, and channel order. If its logits or labels differ too much from those
    of PyTorch, no file is written. `bisenet evaluate --weights FILE` also takes exported models.
    """
    from bisenet_ros.commands.export import export_weights
    from bisenet_ros.parameter_file import read_settings
    from bisenet_training.export.metadata import Interface

    files = params or ()
    warn_of_foreign(files)
    settings = read_settings(files, {'weights': weights, 'network_size': network_size})
    export_weights(
        settings.weights,
        format,
        output,
        Interface(
            'frames' if preprocessing else 'images',
            'labels' if argmax else 'logits',
            'fp16' if precision == 'fp16' else 'fp32',
        ),
        network_size=settings.requested_network_size,
        frames_folder=frames,
        device=device,
        json_file=json,
    )


@app.command('import', no_args_is_help=True)
def import_published(
    source: Annotated[
        Path,
        typer.Argument(
            metavar='SRC',
            help="A .pth file of CoinCheung's BiSeNet or of mmsegmentation, BiSeNet V1 or V2.",
        ),
    ],
    output: CheckpointFile,
    label_space: Annotated[
        Path | None,
        typer.Option(
            '--label-space',
            metavar='FILE',
            help='JSON with `names`, `colors` and `drivable`; default: those of Cityscapes.',
        ),
    ] = None,
    mean: Annotated[
        tuple[float, float, float] | None,
        typer.Option(
            '--mean', metavar='R G B', help='Mean of the input, 0 to 1; default: as published.'
        ),
    ] = None,
    std: Annotated[
        tuple[float, float, float] | None,
        typer.Option(
            '--std', metavar='R G B', help='Std of the input, 0 to 1; default: as published.'
        ),
    ] = None,
    network_size: Annotated[
        tuple[int, int] | None,
        typer.Option(
            '--network-size',
            metavar='WIDTH HEIGHT',
            min=32,
            help='Input size of the network; default for Cityscapes: 2048 1024.',
        ),
    ] = None,
) -> None:
    """Convert published weights to a checkpoint that gives the same logits.

    Variants of the network are detected and recorded in the checkpoint; auxiliary heads are left
    out. Only tensors are read from the file: no code in it runs.
    """
    from bisenet_ros.commands.import_published import import_file

    import_file(
        source,
        output,
        label_space=label_space,
        mean=mean,
        std=std,
        network_size=network_size,
    )


@app.command()
@takes_model_options
def benchmark(
    size: Annotated[
        tuple[int, int],
        typer.Option('--size', metavar='WIDTH HEIGHT', min=32, help='Size of the camera frame.'),
    ] = (2048, 1024),
    rounds: Annotated[
        int, typer.Option('--rounds', min=1, help='How often each candidate segments the frame.')
    ] = 30,
    seconds: Annotated[
        float, typer.Option('--seconds', min=0.1, help='How long to stream at each frame rate.')
    ] = 5.0,
    json: Json = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            '--plot',
            metavar='FILE.svg',
            dir_okay=False,
            callback=_writable,
            help='Also draw a chart.',
        ),
    ] = None,
    *,
    model: ModelOptions,
) -> None:
    """Measure latency and throughput on this machine, beside other runtimes with the same network.

    Segments a frame of the synthetic drive with every engine and precision that runs here (or those
    that `--engine` and `--precision` name), eager PyTorch and, if installed, ONNX Runtime and
    OpenVINO with the argmax in the graph. The network runs at 1024x512 unless `--network-size` is
    given. With the engine that `auto` selects it also measures each stage from camera message to
    output message, latency at 10, 30 and 60 Hz, the highest rate with under 5 % dropped frames, and
    the time from process start to the first labels.
    """
    from bisenet_ros.commands.benchmark import Benchmark
    from bisenet_ros.commands.benchmark import benchmark as run_benchmark

    network_size = {'network_size': (1024, 512)}
    settings = Benchmark(model.read(defaults=network_size).model, size, rounds, seconds)
    run_benchmark(settings, json_file=json, chart_file=plot)


@app.command(no_args_is_help=True)
def info(
    weights: Annotated[
        str,
        typer.Argument(
            metavar='WEIGHTS',
            help='The name of shipped weights, or a checkpoint file.',
        ),
    ],
    json: Json = None,
) -> None:
    """Show the contents of a checkpoint: network, classes, training, accuracy."""
    from bisenet_ros.commands.info import show_info

    show_info(weights, json)


def main() -> None:
    """Entry point of the program `bisenet`."""
    if isinstance(sys.stdout, TextIOWrapper):
        # Names may have characters that the locale lacks; standard error escapes them already.
        sys.stdout.reconfigure(errors='backslashreplace')
    try:
        try:
            with ended_by_signals():
                app(prog_name='bisenet')
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # an error at the exit of Python would be a traceback
    except OSError as error:
        if error.filename is None and error.errno not in (errno.EPIPE, *_NOT_WRITTEN):
            raise
        sys.stdout = StringIO()  # at exit, Python would try to write the rest again
        if error.errno == errno.EPIPE:  # the reader is gone, as in a pipe to `head`
            sys.exit(1)
        place = error.filename or 'the output cannot be written'
        print(f'bisenet: {printable(str(place))}: {error.strerror or error}', file=sys.stderr)
        sys.exit(2)


if __name__ == '__main__':
    main()
