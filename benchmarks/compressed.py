# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compares compressed outputs with raw ones: bytes and milliseconds per frame.

    python benchmarks/compressed.py [--settings]

The frames are from the synthetic drive. Times are from the pixels to the message's data.
`--settings` compares the PNG settings from which ours were chosen.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt

from bisenet_ros.benchmark.rounds import in_turn
from bisenet_ros.camera_pipeline import SegmentedFrame
from bisenet_ros.image_codec import to_array
from bisenet_ros.malloc_tuning import keep_freed_memory
from bisenet_ros.message_types import COMPRESSED_IMAGE_TYPE, IMAGE_TYPE
from bisenet_ros.outputs import OUTPUTS, FrameResult, Output
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.synthetic.drive import SyntheticDrive

FRAMES = (0, 40, 80)
"""Frame numbers in the drive."""

STRATEGIES = {
    'default': cv2.IMWRITE_PNG_STRATEGY_DEFAULT,
    'filtered': cv2.IMWRITE_PNG_STRATEGY_FILTERED,
    'RLE': cv2.IMWRITE_PNG_STRATEGY_RLE,
    'Huffman': cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--size', type=int, nargs=2, default=(2048, 1024))
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--settings', action='store_true', help='compare settings of PNG')
    arguments = parser.parse_args()
    keep_freed_memory()  # as the node does
    segmenter = Segmenter.load('camvid', device='cpu')
    drive = SyntheticDrive(0, tuple(arguments.size), 10.0)
    results = []
    for index in FRAMES:
        pixels, _ = drive.frame(index)
        frame = SegmentedFrame('', None, pixels, 0.0, segmenter(pixels), 0.0)
        results.append(FrameResult(frame, overlay_alpha=0.5))
        _ = results[-1].overlay, frame.segmentation.drivable, frame.segmentation.confidence
    if arguments.settings:
        compare_settings(results, arguments.rounds)
    else:
        compare_outputs(results, arguments.rounds)


def compare_outputs(results: list[FrameResult], rounds: int) -> None:
    """Measures every image that the node publishes, as in its message."""
    outputs = [output for output in OUTPUTS if output.type in (IMAGE_TYPE, COMPRESSED_IMAGE_TYPE)]

    def fill(output: Output) -> list[int]:
        return [len(to_array(np.asarray(output.fill(result)['data']))) for result in results]

    runs = {output.name: partial(fill, output) for output in outputs}
    times = in_turn(runs, rounds, advance=lambda: None)
    print(f'{"":26} {"KB per frame":>13} {"ms per frame":>13}')
    for name, run in runs.items():
        size = np.mean(run()) / 1000
        print(f'{name:26} {size:13.1f} {times[name].median_ms / len(results):13.2f}')


def compare_settings(results: list[FrameResult], rounds: int) -> None:
    """Measures PNG encoders on single-channel images."""
    filters: dict[str, list[int]] = {'adaptive': []}
    if hasattr(cv2, 'IMWRITE_PNG_FILTER'):
        filters['none'] = [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]
        filters['up'] = [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]
    settings = {
        f'level {level}, {strategy}, filter {name}': [
            *(cv2.IMWRITE_PNG_COMPRESSION, level, cv2.IMWRITE_PNG_STRATEGY, value),
            *chosen,
        ]
        for level in (1, 3)
        for strategy, value in STRATEGIES.items()
        for name, chosen in filters.items()
    }
    for kind in ('labels', 'drivable', 'confidence'):
        images = [getattr(result.frame.segmentation, kind) for result in results]
        runs = {name: partial(_png_sizes, images, chosen) for name, chosen in settings.items()}
        times = in_turn(runs, rounds, advance=lambda: None)
        print(f'\n{kind:36} {"KB per frame":>13} {"ms per frame":>13}')
        for name, run in runs.items():
            size = np.mean(run()) / 1000
            print(f'{name:36} {size:13.1f} {times[name].median_ms / len(images):13.2f}')


def _png_sizes(images: Sequence[npt.NDArray[np.uint8]], settings: Sequence[int]) -> list[int]:
    return [len(cv2.imencode('.png', image, settings)[1]) for image in images]


if __name__ == '__main__':
    main()
