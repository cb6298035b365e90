# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command line, `bisenet VERB`: one function per verb, which imports what it needs.

Every verb exits with 0 on success, 1 where it ran and the result is not as wanted, 2 with one clear
line on bad input, and 130 after Ctrl-C.
"""

from __future__ import annotations

import sys
from collections.abc import Container
from pathlib import Path
from typing import Annotated, Any, Literal

try:
    import typer
    from typer.core import TyperGroup
except ModuleNotFoundError as error:
    sys.exit(f"bisenet: {error.name} is not installed: pip install 'bisenet_ros[tools]'")

from bisenet_ros.errors import UserError
from bisenet_ros.malloc_tuning import prepare_process
from bisenet_ros.version import VERSION


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
Device = Annotated[
    str, typer.Option('--device', metavar='DEVICE', help='auto, cuda, cuda:N or cpu.')
]
Precision = Annotated[
    Literal['auto', 'fp16', 'bf16', 'fp32'],
    typer.Option('--precision', help='Of the network; auto suits the device.'),
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


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f'bisenet {VERSION}')
        raise typer.Exit


def _refuse_others(context: typer.Context, *, beside: str, than: Container[str]) -> None:
    """Refuse what was given on the command line and would do nothing.

    Raises:
        UserError: It names the first such parameter.
    """
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or '')
        if source is not None and source.name == 'COMMANDLINE' and parameter.name not in than:
            name = parameter.opts[0] if parameter.param_type_name == 'option' else 'BAG'
            raise UserError(f'{name} does not go with {beside}')


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
    weights: Weights = 'camvid',
    device: Device = 'auto',
    precision: Precision = 'auto',
    json: Json = None,
) -> None:
    """Segment images, folders and videos.

    Writes `NAME_labels.png` (class ids), `NAME_drivable.png` (255 where the vehicle may drive) and
    `NAME_overlay.jpg` for NAME.jpg or any other image, in its size. A video gives the two PNG per
    frame (`NAME_000000_labels.png` ...) and an overlay video, `NAME_overlay.webm`. Of a folder,
    the images and videos directly in it are taken.
    """
    from bisenet_ros.commands.segment import segment_files

    segment_files(
        inputs, output, weights=weights, device=device, precision=precision, json_file=json
    )


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
def replay(
    context: typer.Context,
    output: Annotated[
        Path, typer.Option('--output', '-o', metavar='DIR', help='Where to.', show_default=False)
    ],
    bags: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar='BAG',
            help='A rosbag2 folder, an .mcap or .db3 file, or a .bag of ROS 1; or several of them, '
            'and folders of them; or a scenario, a .yaml file.',
            show_default=False,
        ),
    ] = None,
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
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            '--compare',
            metavar='RUN_A RUN_B',
            help='No bag: the folders of two earlier replays of the same frames, and what changed.',
        ),
    ] = None,
    fail_under: Annotated[
        str | None,
        typer.Option(
            '--fail-under',
            metavar='NAME=LEAST,...',
            help='Exit with 1 if a figure is under its limit, as in miou=0.60,drivable_iou=0.90.',
        ),
    ] = None,
    weights: Weights = 'camvid',
    device: Device = 'auto',
    precision: Precision = 'auto',
) -> None:
    """Evaluate the frames of a bag, without ROS: what would the model have done?

    Writes `report.html`, `metrics.json` (accuracy where there is truth, confidence, flicker,
    latency, and what produced them), `frames.jsonl` (a line per frame) and `output.mcap` (labels,
    drivable mask, overlay and timing, for Foxglove). What cannot be used of a damaged bag is
    named, the rest is evaluated, and the exit code is 2.

    With `--compare` writes `comparison.html` and `comparison.json`: what changed from RUN_A to
    RUN_B, in which frames most, and whether that is more than chance.

    A scenario, SCENARIO.yaml, names bags, weights and criteria; the exit code is 1 if one fails.
    """
    if compare is not None:
        from bisenet_ros.commands.compare import compare_runs

        _refuse_others(context, beside='--compare', than=('compare', 'fail_under', 'output'))
        if not compare_runs(*compare, output, fail_under):
            raise typer.Exit(1)
        return
    if bags is None:
        raise UserError('name a BAG to replay, or two replays to --compare')
    if len(bags) == 1 and bags[0].suffix in ('.yaml', '.yml'):
        from bisenet_ros.commands.check import run_scenario

        _refuse_others(context, beside='a scenario', than=('bags', 'output', 'device', 'precision'))
        if not run_scenario(bags[0], output, device=device, precision=precision):
            raise typer.Exit(1)
        return
    from bisenet_ros.commands.gate import gates_of_run, run_passes
    from bisenet_ros.commands.replay_many import replay_paths

    gates = [] if fail_under is None else gates_of_run(fail_under, weights)
    replay_paths(
        bags,
        output,
        workers=workers,
        ray=ray,
        image_topic=image_topic,
        labels_topic=labels_topic,
        labels_folder=labels,
        rate=rate,
        live=live,
        weights=weights,
        device=device,
        precision=precision,
        with_input=with_input,
        video=video,
    )
    if not run_passes(gates, output):
        raise typer.Exit(1)


@app.command()
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
    weights: Weights = 'camvid',
    device: Device = 'auto',
    precision: Precision = 'auto',
    json: Json = None,
) -> None:
    """Run camera, node and recorder as three processes on ROS 2, and measure them.

    The camera publishes a synthetic drive whose truth is known, or `--source` at its own rate. Of a
    bag with several cameras that is `/image`, or else the one with the most images; its truth is
    used if it has `ground_truth/labels`. Leaves `index.html` with video, pictures and figures.
    The processes see only each other: no vehicle, no other machine.
    """
    from bisenet_ros.commands.demo import Settings, View, print_table, run_demo
    from bisenet_ros.console import is_standard_output, write_json
    from bisenet_ros.live.processes import ProcessError

    view = View(path=source, seconds=seconds, seed=seed)
    try:
        measured = run_demo(Settings(view, output, weights, device, precision, verify))
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
    from bisenet_training.train_command import train as run_training

    status = run_training(config, overrides or [], output, resume=resume)
    if status:
        raise typer.Exit(status)


@app.command(no_args_is_help=True)
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
        Literal['camvid', 'cityscapes', 'coco_stuff', 'coco_stuff_10k', 'pairs'],
        typer.Option('--dataset', help='What is in it.'),
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
            help="Write label images as Cityscapes' evaluation server takes them.",
        ),
    ] = None,
    weights: Annotated[
        str,
        typer.Option(
            '--weights',
            metavar='NAME_OR_PATH',
            help='Weights that ship, by name, a checkpoint, or an exported model.',
        ),
    ] = 'camvid',
    device: Device = 'auto',
    precision: Precision = 'auto',
    json: Json = None,
) -> None:
    """Measure weights on a data set: IoU by class and of drivable area, boundaries, calibration.

    One confusion matrix over the whole split; pixels without a class do not count. Frames are
    labelled exactly as on the vehicle, unless `--scales`, `--flip` or `--crop` ask for more views
    of each, whose class probabilities are averaged.
    """
    from bisenet_ros.commands.evaluate import Outputs, evaluate_weights, views_of
    from bisenet_training.evaluation.source import Source

    evaluate_weights(
        Source(dataset, data, split, label_map),
        views_of(scales, flip, crop, stride),
        Outputs(json, output, submission),
        weights=weights,
        device=device,
        precision=precision,
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
    weights: Weights = 'camvid',
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
    from bisenet_training.export.metadata import Interface

    export_weights(
        weights,
        format,
        output,
        Interface(
            'frames' if preprocessing else 'images',
            'labels' if argmax else 'logits',
            'fp32' if precision == 'auto' else precision,
        ),
        network_size=network_size,
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
def benchmark(
    size: Annotated[
        tuple[int, int],
        typer.Option('--size', metavar='WIDTH HEIGHT', min=32, help="Of the camera's frame."),
    ] = (2048, 1024),
    network_size: Annotated[
        tuple[int, int],
        typer.Option(
            '--network-size',
            metavar='WIDTH HEIGHT',
            min=32,
            help='That every network runs at.',
        ),
    ] = (1024, 512),
    rounds: Annotated[
        int, typer.Option('--rounds', min=1, help='How often each segments the frame.')
    ] = 30,
    seconds: Annotated[
        float, typer.Option('--seconds', min=0.1, help='How long the camera runs at each rate.')
    ] = 5.0,
    weights: Weights = 'camvid',
    device: Device = 'auto',
    precision: Annotated[
        Literal['all', 'auto', 'fp16', 'bf16', 'fp32'],
        typer.Option('--precision', help='Of our network; all are those that run here.'),
    ] = 'all',
    engine: Annotated[
        str,
        typer.Option(
            '--engine', metavar='ENGINE', help='Of our network; all are those that run here.'
        ),
    ] = 'all',
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
) -> None:
    """Measure how fast this machine segments, beside what others do with the same network.

    A frame of the synthetic drive goes through our engines, eager PyTorch and, where they are
    installed, ONNX Runtime and OpenVINO with the argmax in the graph, in turn. Then through the
    engine that `auto` takes: the stages from a camera's message to the node's, latency at 10, 30
    and 60 Hz, the highest rate with under 5 % of the frames dropped, and what a new process takes
    to its first labels.
    """
    from bisenet_ros.commands.benchmark import Settings
    from bisenet_ros.commands.benchmark import benchmark as run_benchmark

    settings = Settings(
        weights=weights,
        device=device,
        precision=precision,
        engine=engine,
        size=size,
        network_size=network_size,
        rounds=rounds,
        seconds=seconds,
    )
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
