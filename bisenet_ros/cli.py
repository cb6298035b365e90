# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command line, `bisenet VERB`: one function per verb, which imports what it needs.

Every verb exits with 0 on success, 1 where it ran and the result is not as wanted, 2 with one clear
line on bad input, and 130 after Ctrl-C.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

try:
    import typer
    from typer.core import TyperGroup
except ModuleNotFoundError as error:
    sys.exit(f"bisenet: {error.name} is not installed: pip install 'bisenet_ros[tools]'")

from bisenet_ros.commands.options import ModelOptions, takes_model_options
from bisenet_ros.errors import UserError
from bisenet_ros.malloc_tuning import prepare_process
from bisenet_ros.version import VERSION
from bisenet_training.dataset_registry import DATASETS


class _Roof(TyperGroup):
    """Turns what a verb raises into an exit code and at most one line."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            print(f'bisenet: {error}', file=sys.stderr)
            raise typer.Exit(2) from error
        except ModuleNotFoundError as error:
            library = str(error.name).partition('.')[0]
            if library in ('bisenet_ros', 'bisenet_training'):
                raise
            message = f"{library} is not installed: pip install 'bisenet_ros[tools]'"
            print(f'bisenet: {message}', file=sys.stderr)
            raise typer.Exit(2) from error
        except KeyboardInterrupt as error:
            raise typer.Exit(130) from error


app = typer.Typer(
    name='bisenet',
    cls=_Roof,
    help='Semantic segmentation of camera images: where the vehicle may drive, and what is there.',
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode='markdown',
    context_settings={'help_option_names': ['-h', '--help']},
)


def _writable(file: Path | None) -> Path | None:
    """A file for results, refused before the verb begins if it could not be written at its end."""
    if file is not None:
        from bisenet_ros.console import check_writable

        check_writable(file)
    return file


Weights = Annotated[
    str,
    typer.Option(
        '--weights',
        metavar='NAME_OR_PATH',
        help='Weights that ship, by name, or a checkpoint file.',
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
        help='Write the figures for machines, too; - is standard output.',
    ),
]

FailUnder = Annotated[
    str | None,
    typer.Option(
        '--fail-under',
        metavar='NAME=LEAST,...',
        help='Exit with 1 if a figure is under its limit, as in miou=0.60,drivable_iou=0.90.',
    ),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f'bisenet {VERSION}')
        raise typer.Exit


def _name_compare(wanted: bool) -> None:
    if wanted:
        raise UserError('--compare is a verb of its own: bisenet compare RUN_A RUN_B -o DIR')


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
        typer.Argument(
            metavar='INPUT', help='Images, videos, and folders of them.', show_default=False
        ),
    ],
    output: Annotated[
        Path, typer.Option('--output', '-o', metavar='DIR', help='Where to.', show_default=False)
    ],
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
    `NAME_overlay.jpg` for NAME.jpg or any other image, in its size. A video gives the two PNG per
    frame (`NAME_000000_labels.png` ...) and an overlay video, `NAME_overlay.webm`. Of a folder,
    the images and videos directly in it are taken. With `--mounting` and `--camera-info`,
    `NAME_birdseye.png` shows the ground from above: free in green, the first contact in red.
    """
    from bisenet_ros.commands.segment import segment_files

    settings = model.read()
    if mounting is not None:
        if camera_info is None:
            raise UserError('--mounting needs the calibration of the camera, too: --camera-info')
        settings = settings.changed({'mounting': mounting})
    segment_files(inputs, output, settings, camera_info=camera_info, json_file=json)


@app.command(no_args_is_help=True)
def record(
    folder: Annotated[
        Path, typer.Argument(metavar='FOLDER', help='Frames, in natural order of their names.')
    ],
    output: Annotated[
        Path,
        typer.Option(
            '--output',
            '-o',
            metavar='BAG',
            help='The bag to make; it must not exist.',
            show_default=False,
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            '--labels', metavar='FOLDER', help='Truth: a label image per frame, of the same name.'
        ),
    ] = None,
    rate: Annotated[float, typer.Option('--rate', min=0.001, help='Frames per second.')] = 15.0,
    storage: Annotated[
        Literal['mcap', 'sqlite3'], typer.Option('--storage', help='How rosbag2 stores it.')
    ] = 'mcap',
    weights: Weights = 'camvid',
) -> None:
    """Turn a folder of frames, and their truth, into a rosbag2.

    The bag has bgr8 images on `/image`, stamped a frame time apart, and with `--labels` the class
    ids on `/ground_truth/labels` with the same stamps. `ros2 bag play BAG` feeds them to a running
    segmenter_node, `bisenet demo --source BAG` measures it on them. Label values are the ids of
    the classes of `--weights`; 255 is no class, and so is the number of classes, as in CamVid.
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
            help='A rosbag2 folder, an .mcap or .db3 file, or a .bag of ROS 1; or several of them, '
            'and folders of them.',
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option('--output', '-o', metavar='DIR', help='Where to.', show_default=False)
    ],
    image_topic: Annotated[
        str | None,
        typer.Option(
            '--image-topic', metavar='T', help='The only camera to take, instead of all there are.'
        ),
    ] = None,
    labels_topic: Annotated[
        str | None,
        typer.Option(
            '--labels-topic',
            metavar='T',
            help="The truth (mono8), instead of ground_truth/labels in the camera's namespace.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            '--labels',
            metavar='FOLDER',
            help='The truth in files instead: label images whose last number in the name is the '
            "frame's stamp in nanoseconds or its number in the bag.",
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            '--rate',
            metavar='R',
            min=0.001,
            help='Frames arrive by their stamps, R times as fast, and only those are evaluated '
            'that the node would have taken.',
        ),
    ] = None,
    live: Annotated[
        bool,
        typer.Option(
            '--live',
            help='Play the bag to a segmenter_node on ROS 2, and measure what it answers; with '
            '--rate R times as fast as it was recorded.',
        ),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            '--workers',
            metavar='N',
            min=1,
            help='Processes that evaluate bags at the same time, instead of what suits the '
            'machine.',
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            '--ray',
            metavar='ADDRESS',
            help='Evaluate on a Ray cluster, whose nodes find bags and results under the same '
            'paths.',
        ),
    ] = None,
    with_input: Annotated[
        bool, typer.Option('--with-input', help="Put the bag's images into output.mcap, too.")
    ] = False,
    video: Annotated[
        bool, typer.Option('--video', help='Write the overlays of each camera as a WebM video.')
    ] = False,
    fail_under: FailUnder = None,
    compare: Annotated[
        bool, typer.Option('--compare', hidden=True, is_eager=True, callback=_name_compare)
    ] = False,
    *,
    model: ModelOptions,
) -> None:
    """Evaluate the frames of a bag, without ROS: what would the model have done?

    Writes `report.html`, `metrics.json` (accuracy where there is truth, confidence, flicker,
    latency, and what produced them), `frames.jsonl` (a line per frame) and `output.mcap` (labels,
    drivable mask, overlay and timing, for Foxglove). What cannot be used of a damaged bag is
    named, the rest is evaluated, and the exit code is 2.

    Several bags get a folder each, and the figures of all frames together beside them.
    """
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
        fail_under=fail_under,
    ):
        raise typer.Exit(1)


@app.command(no_args_is_help=True)
def compare(
    run_a: Annotated[
        Path, typer.Argument(metavar='RUN_A', help='The folder of a replay of a bag.')
    ],
    run_b: Annotated[
        Path, typer.Argument(metavar='RUN_B', help='That of another one, of the same frames.')
    ],
    output: Annotated[
        Path, typer.Option('--output', '-o', metavar='DIR', help='Where to.', show_default=False)
    ],
    fail_under: FailUnder = None,
) -> None:
    """Compare two replays of the same frames: what changed from A to B?

    Writes `comparison.html` and `comparison.json`: the change of every figure, the frames that
    changed most, and whether that is more than chance. `--fail-under` takes figures of B and, with
    `change.` in front, by how much they are higher than A's.
    """
    from bisenet_ros.commands.compare import compare_runs

    if not compare_runs(run_a, run_b, output, fail_under):
        raise typer.Exit(1)


@app.command(no_args_is_help=True)
@takes_model_options
def check(
    scenario: Annotated[
        Path,
        typer.Argument(
            metavar='SCENARIO', help='A YAML file that names bags, weights and criteria.'
        ),
    ],
    output: Annotated[Path, typer.Option('--output', '-o', metavar='DIR', help='Where to.')] = Path(
        'out/check'
    ),
    *,
    model: ModelOptions,
) -> None:
    """Replay the bags of a scenario and hold them to its criteria.

    Writes what `replay` writes for each bag, and `result.json`. The exit code is 0 if all criteria
    hold, 1 if one does not, and 2 on bad input.
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
    output: Annotated[
        Path, typer.Option('--output', '-o', metavar='DIR', help='Where the report goes.')
    ] = Path('out/demo'),
    seconds: Annotated[
        float, typer.Option('--seconds', min=1.0, help='How much of the source is streamed.')
    ] = 45.0,
    seed: Annotated[int, typer.Option('--seed', min=0, help='Of the synthetic drive.')] = 0,
    verify: Annotated[
        bool,
        typer.Option(
            '--verify', help='Segment the frames once more without ROS, and compare the labels.'
        ),
    ] = False,
    json: Json = None,
    *,
    model: ModelOptions,
) -> None:
    """Run camera, node and recorder as three processes on ROS 2, and measure them.

    The camera publishes a synthetic drive whose truth is known, or `--source` at its own rate. Of a
    bag with several cameras that is `/image`, or else the one with the most images; its truth is
    used if it has `ground_truth/labels`. Leaves `index.html` with video, pictures and figures.
    The processes see only each other: no vehicle, no other machine.
    """
    from bisenet_ros.commands.demo import Demo, View, print_table, run_demo
    from bisenet_ros.console import is_standard_output, write_json
    from bisenet_ros.live.processes import ProcessError

    view = View(path=source, seconds=seconds, seed=seed)
    try:
        measured = run_demo(Demo(view, output, model.read(beneath=view.parameters), verify))
    except ProcessError as error:
        print(f'bisenet: {error}', file=sys.stderr)
        raise typer.Exit(1) from error
    if json is not None:
        write_json(json, measured)
    if not is_standard_output(json):
        print_table(measured, output)


@app.command(no_args_is_help=True)
def train(
    config: Annotated[
        str,
        typer.Argument(
            metavar='CONFIG',
            help='A YAML file, or the name of a recipe in config/training.',
            show_default=False,
        ),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar='KEY.SUB=VALUE',
            help='Values to replace in it, such as data=/datasets/camvid or optimizer.lr=0.01.',
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            '--output',
            '-o',
            metavar='DIR',
            help='Folder of the run, instead of runs/CONFIG.',
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option('--resume', help='Go on with the run in that folder.')
    ] = False,
) -> None:
    """Train a network.

    The folder of the run holds its configuration, curves, sample predictions and, at the end, an
    evaluation and `weights.safetensors`. Killed at any moment, it goes on with `--resume`.
    On several GPUs or machines: `torchrun --nproc-per-node N -m bisenet_ros.cli train CONFIG`.
    """
    from bisenet_ros.commands.train import train as run_training

    status = run_training(config, overrides or [], output, resume=resume)
    if status:
        raise typer.Exit(status)


@app.command(no_args_is_help=True)
@takes_model_options
def evaluate(
    data: Annotated[
        Path,
        typer.Option(
            '--data',
            metavar='DIR',
            help="The data set's folder; for pairs, one with images/ and labels/, or a text file "
            'with an image and its labels in each line.',
            show_default=False,
        ),
    ],
    dataset: Annotated[
        str,
        typer.Option('--dataset', metavar='NAME', help=f'What is in it: {", ".join(DATASETS)}.'),
    ] = 'camvid',
    split: Annotated[
        str | None,
        typer.Option('--split', help='Part of it; unless told, what is usually evaluated: val.'),
    ] = None,
    label_map: Annotated[
        Path | None,
        typer.Option(
            '--label-map', metavar='FILE', help='For pairs: YAML, what the label images hold.'
        ),
    ] = None,
    scales: Annotated[
        str,
        typer.Option(
            '--scales',
            metavar='S,...',
            help='Show each frame in these sizes, relative to the network size, and average.',
        ),
    ] = '1',
    flip: Annotated[
        bool, typer.Option('--flip', help='Show the mirror image of everything, too.')
    ] = False,
    crop: Annotated[
        str | None,
        typer.Option(
            '--crop',
            metavar='WxH',
            help='Slide a window of this size over the scaled frame, and average.',
        ),
    ] = None,
    stride: Annotated[
        float | None,
        typer.Option(
            '--stride', help='From one crop to the next, as a share of the crop; 2/3 unless told.'
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            '--output',
            '-o',
            metavar='DIR',
            help='Write a report with the worst frames, and the labels of all.',
        ),
    ] = None,
    submission: Annotated[
        Path | None,
        typer.Option(
            '--submission',
            metavar='DIR',
            help="Write label images as the data set's evaluation server takes them.",
        ),
    ] = None,
    json: Json = None,
    *,
    model: ModelOptions,
) -> None:
    """Measure weights on a data set: IoU by class and of drivable area, boundaries, calibration.

    One confusion matrix over the whole split; pixels without a class do not count. Frames are
    labelled exactly as on the vehicle, unless `--scales`, `--flip` or `--crop` ask for more views
    of each, whose class probabilities are averaged.
    """
    from bisenet_ros.commands.evaluate import Outputs, evaluate_weights, views_of
    from bisenet_training.evaluation.source import Source

    evaluate_weights(
        Source.named(dataset, data, split, label_map),
        views_of(scales, flip, crop, stride),
        Outputs(json, output, submission),
        model.read(),
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
            show_default=False,
        ),
    ],
    format: Annotated[
        Literal['onnx', 'openvino', 'torchscript'], typer.Option('--format', help='What to write.')
    ] = 'onnx',
    params: Annotated[
        Path | None,
        typer.Option(
            '--params',
            metavar='FILE',
            dir_okay=False,
            help='A ROS parameter file, as the node takes it: its weights and network_size.',
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            '--weights',
            metavar='NAME_OR_PATH',
            help='Weights that ship, by name, or a checkpoint file; camvid unless told.',
            show_default=False,
        ),
    ] = None,
    preprocessing: Annotated[
        bool,
        typer.Option(
            '--preprocessing',
            help='Take uint8 BGR frames (B, H, W, 3), instead of normalised float images.',
        ),
    ] = False,
    argmax: Annotated[
        bool, typer.Option('--argmax', help='Give uint8 labels (B, H, W), instead of logits.')
    ] = False,
    network_size: Annotated[
        tuple[int, int] | None,
        typer.Option(
            '--network-size',
            metavar='WIDTH HEIGHT',
            min=32,
            help='Size of the images; what the weights were trained for, unless told.',
        ),
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            '--device',
            metavar='DEVICE',
            help='Where the file is run to compare it: auto, cuda, cuda:N or cpu.',
        ),
    ] = 'cpu',
    precision: Annotated[
        Literal['auto', 'fp32', 'fp16'],
        typer.Option(
            '--precision',
            help='Of the weights, and of arithmetic where it is possible; auto is fp32.',
        ),
    ] = 'auto',
    frames: Annotated[
        Path | None,
        typer.Option(
            '--frames',
            metavar='FOLDER',
            help='Images to compare on, instead of frames of the synthetic drive.',
        ),
    ] = None,
    json: Json = None,
) -> None:
    """Write weights as ONNX, OpenVINO or TorchScript, compared with PyTorch.

    The file is for one network size and batches of any size. In it is what is needed to use it
    rightly: classes, mean and standard deviation, channel order. If it does not give the logits and
    labels of PyTorch it is not kept. `bisenet evaluate --weights FILE` takes it, too.
    """
    from bisenet_ros.commands.export import export_weights
    from bisenet_ros.parameter_file import read_settings
    from bisenet_training.export.metadata import Interface

    settings = read_settings(params, {'weights': weights, 'network_size': network_size})
    export_weights(
        settings.weights,
        format,
        output,
        Interface(
            'frames' if preprocessing else 'images',
            'labels' if argmax else 'logits',
            'fp32' if precision == 'auto' else precision,
        ),
        network_size=settings.size,
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
            help="A .pth file of CoinCheung's BiSeNet or of mmsegmentation, V1 or V2.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            '--output',
            '-o',
            metavar='DST',
            dir_okay=False,
            callback=_writable,
            help='The .safetensors file to write.',
            show_default=False,
        ),
    ],
    label_space: Annotated[
        Path | None,
        typer.Option(
            '--label-space',
            metavar='FILE',
            help='JSON with `names`, `colors` and `drivable`, if not those of Cityscapes.',
        ),
    ] = None,
    mean: Annotated[
        tuple[float, float, float] | None,
        typer.Option('--mean', metavar='R G B', help='Of the input, 0 to 1, if not as published.'),
    ] = None,
    std: Annotated[
        tuple[float, float, float] | None,
        typer.Option('--std', metavar='R G B', help='Of the input, 0 to 1, if not as published.'),
    ] = None,
    network_size: Annotated[
        tuple[int, int] | None,
        typer.Option(
            '--network-size',
            metavar='WIDTH HEIGHT',
            min=32,
            help='To run at; for Cityscapes 2048 1024, unless told.',
        ),
    ] = None,
) -> None:
    """Turn published weights into a checkpoint, whose logits are the same.

    The networks' differences are detected and carried along; auxiliary heads are left out. Of the
    file, only tensors are read: no code in it runs.
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
        typer.Option('--size', metavar='WIDTH HEIGHT', min=32, help="Of the camera's frame."),
    ] = (2048, 1024),
    rounds: Annotated[
        int, typer.Option('--rounds', min=1, help='How often each segments the frame.')
    ] = 30,
    seconds: Annotated[
        float, typer.Option('--seconds', min=0.1, help='How long the camera runs at each rate.')
    ] = 5.0,
    json: Json = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            '--plot',
            metavar='FILE.svg',
            dir_okay=False,
            callback=_writable,
            help='Draw the figures, too.',
        ),
    ] = None,
    *,
    model: ModelOptions,
) -> None:
    """Measure how fast this machine segments, beside what others do with the same network.

    A frame of the synthetic drive goes through our engines (all that run here, in each precision,
    unless `--engine` or `--precision` names one), eager PyTorch and, where they are installed, ONNX
    Runtime and OpenVINO with the argmax in the graph, in turn; networks run at 1024x512 unless
    `--network-size` says otherwise. Then through the
    engine that `auto` takes: the stages from a camera's message to the node's, latency at 10, 30
    and 60 Hz, the highest rate with under 5 % of the frames dropped, and what a new process takes
    to its first labels.
    """
    from bisenet_ros.commands.benchmark import Benchmark
    from bisenet_ros.commands.benchmark import benchmark as run_benchmark

    network_size = {'network_size': (1024, 512)}
    settings = Benchmark(model.read(beneath=network_size).model, size, rounds, seconds)
    run_benchmark(settings, json_file=json, chart_file=plot)


@app.command(no_args_is_help=True)
def info(
    weights: Annotated[
        str,
        typer.Argument(
            metavar='WEIGHTS', show_default=False, help='Weights that ship, by name, or a file.'
        ),
    ],
    json: Json = None,
) -> None:
    """Show what is in a checkpoint: network, classes, training, accuracy."""
    from bisenet_ros.commands.info import show_info

    show_info(weights, json)


def main() -> None:
    """The program `bisenet`."""
    app(prog_name='bisenet')


if __name__ == '__main__':
    main()
