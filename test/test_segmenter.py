# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames in, labels, confidence and drivable masks out: what the `Segmenter` promises."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from calibrated_checkpoint import CLAIM, save_calibrated_checkpoint
from torch import Tensor

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.drivable import drivable_mask, without_small_areas
from bisenet_ros.engine import upsample_argmax
from bisenet_ros.engine.hardware import cpu_has_bf16
from bisenet_ros.errors import UserError
from bisenet_ros.label_space import CAMVID, IGNORE
from bisenet_ros.media import write_image
from bisenet_ros.model_settings import MODEL_PARAMETERS, ModelSettings
from bisenet_ros.resizing import resize
from bisenet_ros.segmenter import Segmenter

Frame = npt.NDArray[np.uint8]


@pytest.fixture(scope='module')
def loaded(weights: Path) -> Segmenter:
    return Segmenter.load(weights, device='cpu', precision='fp32')


@pytest.fixture
def segmenter(loaded: Segmenter) -> Segmenter:
    loaded.apply(ModelSettings())
    return loaded


def make_frame(height: int, width: int, seed: int = 0) -> Frame:
    """Soft patches of colour."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, 256, (height // 16 + 2, width // 16 + 2, 3), np.uint8)
    return resize(patches, (width, height))


def network_input(frame: Frame, checkpoint: Checkpoint) -> Tensor:
    """(1, 3, H, W) from the definition: RGB, scaled to 0..1, mean and standard deviation."""
    normalization = checkpoint.normalization
    rgb = (frame[..., ::-1] / 255.0 - normalization.mean) / normalization.std
    return torch.from_numpy(rgb.astype(np.float32)).permute(2, 0, 1)[None]


# ---- what comes out ----


@pytest.mark.parametrize('size', [(128, 96), (100, 70), (32, 32), (161, 33)])
def test_labels_are_those_of_the_network_as_it_was_trained(
    weights: Path, size: tuple[int, int]
) -> None:
    """At the network's own size, where the network itself pads, upsamples and crops."""
    segmenter = Segmenter.load(weights, device='cpu', precision='fp32', network_size=size)
    frame = make_frame(size[1], size[0])
    with torch.inference_mode():
        logits = segmenter.checkpoint.build()(network_input(frame, segmenter.checkpoint))
    result = segmenter(frame)
    assert np.mean(result.labels != logits[0].argmax(0).numpy()) < 0.001  # rounding alone
    confidence = 255 * logits[0].softmax(0).amax(0).numpy()
    np.testing.assert_allclose(result.confidence, confidence, atol=1)


@pytest.mark.parametrize('size', [(192, 256), (480, 200), (64, 1000), (50, 60)])
def test_labels_of_any_size_are_upsampled_logits(
    segmenter: Segmenter, size: tuple[int, int]
) -> None:
    frame = make_frame(*size)
    checkpoint = segmenter.checkpoint
    with torch.inference_mode():
        shown = network_input(resize(frame, checkpoint.network_size), checkpoint)
        coarse = checkpoint.build().coarse(shown)
    upsampled = F.interpolate(coarse, size=size, mode='bilinear', align_corners=False)
    labels = segmenter(frame).labels
    assert np.mean(labels != upsampled[0].argmax(0).numpy()) < 0.001


@pytest.mark.parametrize('engine', ['torch', 'openvino'])
@pytest.mark.parametrize('size', [(32, 40), (90, 200), (300, 260)])  # height, width
def test_output_size_is_drawn_from_the_logits(
    weights: Path, engine: str, size: tuple[int, int]
) -> None:
    if find_spec(engine) is None:
        pytest.skip(f'needs {engine}')
    segmenter = Segmenter.load(
        weights, device='cpu', precision='fp32', engine=engine, output_size=size[::-1]
    )
    frame, checkpoint = make_frame(120, 160), segmenter.checkpoint
    with torch.inference_mode():
        shown = network_input(resize(frame, checkpoint.network_size), checkpoint)
        coarse = checkpoint.build().coarse(shown)
    upsampled = F.interpolate(coarse, size=size, mode='bilinear', align_corners=False)[0]
    result = segmenter(frame)
    assert result.size == size[::-1]
    assert np.mean(result.labels != upsampled.argmax(0).numpy()) < 0.001  # rounding alone
    np.testing.assert_allclose(
        result.confidence, 255 * upsampled.softmax(0).amax(0).numpy(), atol=1
    )
    drivable = CAMVID.ids_of(CAMVID.drivable)
    np.testing.assert_array_equal(result.drivable, drivable_mask(result.labels, drivable))
    assert result.area.size == result.size
    segmenter.apply(ModelSettings())
    assert segmenter(frame).size == (160, 120)


@pytest.mark.parametrize('size', [(32, 32), (33, 57), (96, 128), (255, 40), (720, 1281)])
def test_outputs_have_the_size_of_the_frame(segmenter: Segmenter, size: tuple[int, int]) -> None:
    frame = make_frame(*size)
    before = frame.copy()
    result = segmenter(frame)
    for image in (result.labels, result.confidence, result.drivable):
        assert image.shape == size
        assert image.dtype == np.uint8
    assert result.labels.max() < len(CAMVID)
    np.testing.assert_array_equal(frame, before)


def test_a_view_has_the_labels_of_its_copy(segmenter: Segmenter) -> None:
    whole = make_frame(200, 300)
    views = [whole[10:150, 20:220], whole[::2, ::3], whole[::-1], whole[:, ::-1], whole[..., ::-1]]
    at_network_size = make_frame(96, 256)[:, ::2]
    for view in (*views, at_network_size):
        assert not view.flags.c_contiguous
        copied = np.ascontiguousarray(view)
        np.testing.assert_array_equal(segmenter(view).labels, segmenter(copied).labels)


def test_a_batch_is_the_same_as_one_by_one(segmenter: Segmenter) -> None:
    frames = [make_frame(96, 128), make_frame(200, 333, seed=1), make_frame(40, 32, seed=2)]
    for frame, result in zip(frames, segmenter.batch(frames), strict=True):
        alone = segmenter(frame)
        np.testing.assert_array_equal(result.labels, alone.labels)
        np.testing.assert_array_equal(result.confidence, alone.confidence)
        np.testing.assert_array_equal(result.drivable, alone.drivable)


@pytest.mark.parametrize('engine', ['torch', 'openvino'])
def test_threads_that_share_a_segmenter_get_their_own_labels(weights: Path, engine: str) -> None:
    if find_spec(engine) is None:
        pytest.skip(f'needs {engine}')
    segmenter = Segmenter.load(weights, device='cpu', engine=engine)
    frames = [make_frame(96, 128, seed) for seed in range(4)]
    alone = [segmenter(frame).labels for frame in frames]
    with ThreadPoolExecutor(len(frames)) as threads:
        for _ in range(10):
            together = threads.map(lambda frame: segmenter(frame).labels, frames)
            np.testing.assert_array_equal(list(together), alone)


def test_an_array_of_frames_is_a_batch(segmenter: Segmenter) -> None:
    frames = np.stack([make_frame(96, 128), make_frame(96, 128, seed=1)])
    alone = [segmenter(frame).labels for frame in frames]
    np.testing.assert_array_equal([each.labels for each in segmenter.batch(frames)], alone)
    with pytest.raises(UserError, match=r'a frame is \(height, width, 3\) .*not \(128, 3\) uint8'):
        segmenter.batch(frames[0])


def test_an_empty_batch_is_empty(segmenter: Segmenter) -> None:
    assert segmenter.batch([]) == []


def test_confidence_and_drivable_are_computed_once_and_when_asked_for(
    segmenter: Segmenter,
) -> None:
    result = segmenter(make_frame(96, 128))
    assert vars(result).keys().isdisjoint({'confidence', 'drivable'})
    assert result.confidence is result.confidence
    assert result.drivable is result.drivable


# ---- settings ----


def test_pixels_below_the_threshold_are_not_labelled(segmenter: Segmenter) -> None:
    frame = make_frame(96, 128)
    everything = segmenter(frame)
    middle = int(np.median(everything.confidence))
    segmenter.apply(ModelSettings(confidence_threshold=middle / 255))
    result = segmenter(frame)
    expected = np.where(everything.confidence < middle, np.uint8(IGNORE), everything.labels)
    assert IGNORE in expected
    np.testing.assert_array_equal(result.labels, expected)
    np.testing.assert_array_equal(result.confidence, everything.confidence)


def test_thresholds_are_in_the_units_of_the_confidence() -> None:
    """A pixel whose confidence is exactly the threshold reaches it, whatever the rounding."""
    for level in range(256):
        assert ModelSettings(confidence_threshold=level / 255).min_confidence == level
        assert ModelSettings(drivable_threshold=level / 255).min_drivable_confidence == level


def test_drivable_is_the_mask_of_the_drivable_classes(segmenter: Segmenter) -> None:
    frame = make_frame(192, 256)
    labels = segmenter(frame).labels
    common = int(np.bincount(labels.ravel()).argmax())
    name = CAMVID.names[common]
    segmenter.apply(ModelSettings(drivable_classes=(name,)))
    assert segmenter.label_space == replace(CAMVID, drivable=(name,))
    result = segmenter(frame)
    assert result.label_space == segmenter.label_space
    np.testing.assert_array_equal(result.drivable, np.where(labels == common, 255, 0))
    segmenter.apply(ModelSettings(drivable_classes=(name,), min_drivable_area=0.05))
    np.testing.assert_array_equal(
        segmenter(frame).drivable, without_small_areas(drivable_mask(labels, [common]), 0.05)
    )
    segmenter.apply(ModelSettings())
    assert segmenter.label_space == CAMVID


def test_unlabelled_pixels_are_not_drivable(segmenter: Segmenter) -> None:
    segmenter.apply(ModelSettings(confidence_threshold=1.0, drivable_classes=CAMVID.names))
    result = segmenter(make_frame(96, 128))
    np.testing.assert_array_equal(result.drivable == 0, result.labels == IGNORE)


def test_doubtful_pixels_are_labelled_but_not_drivable(segmenter: Segmenter) -> None:
    frame = make_frame(96, 128)
    everything = segmenter(frame)
    ids = CAMVID.ids_of(('road', 'car', 'sky', 'tree'))
    middle = int(np.median(everything.confidence[np.isin(everything.labels, ids)]))
    settings = ModelSettings(
        drivable_classes=('road', 'car', 'sky', 'tree'), drivable_threshold=middle / 255
    )
    segmenter.apply(settings)
    result = segmenter(frame)
    np.testing.assert_array_equal(result.labels, everything.labels)
    sure = np.isin(everything.labels, ids) & (everything.confidence >= middle)
    assert 0 < sure.sum() < np.isin(everything.labels, ids).sum()
    np.testing.assert_array_equal(result.drivable, np.where(sure, 255, 0))
    # Small areas are those of what is left.
    segmenter.apply(replace(settings, min_drivable_area=0.01))
    np.testing.assert_array_equal(
        segmenter(frame).drivable, without_small_areas(result.drivable, 0.01)
    )


def test_results_keep_the_settings_they_were_made_with(segmenter: Segmenter) -> None:
    segmenter.apply(ModelSettings(drivable_classes=CAMVID.names))
    result = segmenter(make_frame(96, 128))
    segmenter.apply(ModelSettings(drivable_classes=('sky',)))
    assert result.drivable.all()


def test_settings_are_those_that_were_given(tmp_path: Path) -> None:
    mask = np.zeros((48, 64), np.uint8)
    mask[40:] = 255
    write_image(tmp_path / 'ego.png', mask)
    given: dict[str, Any] = {
        'weights': str(save_calibrated_checkpoint(tmp_path / 'sure.safetensors')),
        'device': 'cpu',
        'precision': 'fp32',
        'engine': 'torch',
        'cpu_threads': 1,
        'network_size': (64, 96),
        'output_size': (80, 60),
        'ego_mask': str(tmp_path / 'ego.png'),
        'self_check': False,
        'confidence_threshold': 0.25,
        'drivable_classes': ('road', 'pavement'),
        'drivable_threshold': 0.5,
        'anomaly_threshold': 0.75,
        'min_drivable_area': 0.01,
    }
    assert given.keys() == MODEL_PARAMETERS.keys()
    asked = ModelSettings(**given)
    segmenter = Segmenter.load(**given)
    assert segmenter.settings == asked
    assert Segmenter.from_settings(asked).settings == asked
    segmenter.apply(ModelSettings())
    assert segmenter.settings == replace(
        asked,
        output_size=(),
        confidence_threshold=0.0,
        drivable_classes=segmenter.checkpoint.label_space.drivable,
        drivable_threshold=CLAIM.threshold,
        anomaly_threshold=0.0,
        min_drivable_area=0.0,
    )


def test_settings_are_resolved_where_auto_was_given(weights: Path) -> None:
    settings = Segmenter.load(weights).settings
    assert 'auto' not in (settings.device, settings.precision, settings.engine)
    assert settings.network_size == Checkpoint.load(weights).network_size
    assert settings.drivable_classes == CAMVID.drivable


@pytest.mark.parametrize(
    'name', ['confidence_threshold', 'drivable_threshold', 'min_drivable_area']
)
@pytest.mark.parametrize('value', [-0.1, 1.1, float('nan')])
def test_fractions_outside_of_0_to_1_are_refused(name: str, value: float) -> None:
    with pytest.raises(UserError, match=f'^{name} must be from 0 to 1, not {value}$'):
        ModelSettings(**{name: value})


def test_a_refused_setting_changes_nothing(segmenter: Segmenter) -> None:
    with pytest.raises(UserError, match="no class 'lane'"):
        segmenter.apply(ModelSettings(drivable_classes=('lane',)))
    assert segmenter.settings.drivable_classes == CAMVID.drivable
    assert segmenter.label_space == CAMVID


# ---- what is refused ----


@pytest.mark.parametrize(
    ('frame', 'message'),
    [
        (np.zeros((31, 64, 3), np.uint8), 'a frame must be at least 32x32, not 64x31'),
        (np.zeros((64, 64), np.uint8), r'not \(64, 64\) uint8'),
        (np.zeros((64, 64, 4), np.uint8), r'not \(64, 64, 4\) uint8'),
        (np.zeros((64, 64, 3), np.float32), r'not \(64, 64, 3\) float32'),
        (torch.zeros(64, 64, 3, dtype=torch.uint8), 'a frame is a NumPy array, not Tensor'),
    ],
)
def test_what_is_no_frame_is_refused(segmenter: Segmenter, frame: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        segmenter(frame)
    with pytest.raises(UserError, match=message):
        segmenter.batch([make_frame(64, 64), frame])


def test_every_frame_has_an_ego_mask_or_none(segmenter: Segmenter) -> None:
    with pytest.raises(UserError, match='of ego masks, 1, must be that of the frames, 2: give'):
        segmenter.batch([make_frame(64, 64), make_frame(64, 64)], [None])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (
            {'engine': 'tensorrt'},
            "engine must be one of auto, .*, not 'tensorrt'",
        ),
        ({'device': 'gpu'}, "device must be auto, cpu, cuda or cuda:N, not 'gpu'"),
        ({'precision': 'int8'}, "precision must be one of auto, fp16, bf16, fp32, not 'int8'"),
        ({'precision': 'fp16', 'device': 'cpu'}, 'precision fp16 needs a GPU'),
        ({'network_size': (128, 16)}, r'network_size must be .*32 to 8192.*not \[128, 16\]'),
        ({'network_size': (128,)}, r'network_size must be .*not \[128\]'),
        ({'drivable_classes': ['', 'road']}, r"drivable_classes must be .*not \['', 'road'\]"),
        ({'network_size': 128}, r'network_size must be .*not \[128\]'),
        ({'network_size': (128.0, 96)}, r'network_size must be .*not \[128.0, 96.0\]'),
        ({'output_size': np.array([128, 96]) / 2}, r'output_size must be .*not \[64.0, 48.0\]'),
        ({'device': torch.device('mps')}, "device must be auto, .*, not 'mps'"),
        ({'output_size': (64, 1 << 20)}, r'output_size must be .*32 to 8192.*not \[64, 1048576\]'),
        ({'drivable_classes': ['lane']}, "no class 'lane'"),
        ({'drivable_classes': 'road'}, r"drivable_classes must be a list .* such as \['road'\]"),
        ({'confidence_threshold': 2}, 'confidence_threshold must be from 0 to 1, not 2'),
        ({'confidence_threshold': np.array(0.5)}, r'from 0 to 1, not array\(0\.5\)'),
        ({'self_check': 'no'}, "self_check must be true or false, not 'no'"),
        ({'cpu_threads': 8 / 2}, 'cpu_threads must be an integer from 0 to 1024, not 4.0'),
    ],
)
def test_wrong_arguments_are_refused_before_the_network_is_loaded(
    weights: Path, arguments: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr('bisenet_ros.segmenter.load_engine')
    with pytest.raises(UserError, match=message):
        Segmenter.load(weights, **arguments)


# ---- how it runs ----


def test_device_precision_engine_and_size_that_were_chosen_can_be_read(weights: Path) -> None:
    segmenter = Segmenter.load(weights, device='cpu')
    assert segmenter.device == 'cpu'
    assert segmenter.precision == ('bf16' if cpu_has_bf16() else 'fp32')
    assert segmenter.engine == ('torch' if find_spec('openvino') is None else 'openvino')
    assert segmenter.network_size == segmenter.checkpoint.network_size == (128, 96)


def test_numbers_sizes_and_names_may_be_of_numpy_and_the_device_of_torch(
    weights: Path,
) -> None:
    size = np.array([64, 64])
    segmenter = Segmenter.load(
        weights,
        device=torch.device('cpu'),
        network_size=size,
        output_size=size,
        cpu_threads=np.int64(1),
        confidence_threshold=np.float32(0.5),
        drivable_classes=np.array(CAMVID.names)[:2],
        self_check=False,
    )
    assert (segmenter.network_size, segmenter.device) == ((64, 64), 'cpu')
    assert (segmenter.settings.cpu_threads, segmenter.settings.confidence_threshold) == (1, 0.5)
    assert segmenter.settings.drivable_classes == CAMVID.names[:2]
    assert segmenter(make_frame(48, 80)).labels.shape == (64, 64)


def test_a_forked_process_is_told_to_be_spawned_instead(weights: Path) -> None:
    # In a process of its own, which has threads of the engine only.
    program = """
import os, sys
import numpy as np
from bisenet_ros.errors import UserError
from bisenet_ros.segmenter import Segmenter

def in_a_fork(use):
    if (child := os.fork()) == 0:
        try:
            use()
        except RuntimeError as error:
            print(error, flush=True)
        os._exit(0)
    os.waitpid(child, 0)

def load(*drivable):
    return Segmenter.load(sys.argv[1], device='cpu', drivable_classes=drivable)

try:
    load('lane')
except UserError:
    in_a_fork(load)  # the refused network has been read
frame = np.zeros((48, 64, 3), np.uint8)
segmenter = load()
in_a_fork(load)
in_a_fork(lambda: segmenter(frame))
print(segmenter(frame).labels.shape)
"""
    # Without the refusal, the child may wait forever.
    command = [sys.executable, '-W', 'ignore', '-c', program, str(weights)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    *refusals, parent = done.stdout.splitlines()
    assert [line.split(':')[0] for line in refusals] == [
        'this process was forked from one that loaded a Segmenter, and has neither its threads nor'
        ' its GPU'
    ] * 3
    assert parent == '(48, 64)'


@pytest.mark.parametrize('copy', [pickle.dumps, deepcopy])
def test_copying_is_refused(segmenter: Segmenter, copy: Callable[[Segmenter], object]) -> None:
    with pytest.raises(TypeError, match='a Segmenter cannot be pickled or copied: load one in'):
        copy(segmenter)


def test_without_the_native_library_all_is_the_same(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = make_frame(130, 150)
    native = segmenter(frame)
    confidence = native.confidence.astype(int)
    monkeypatch.setattr(upsample_argmax, 'tasks', lambda _: None)
    assert upsample_argmax.backend() == 'torch'
    result = segmenter(frame)
    np.testing.assert_array_equal(result.labels, native.labels)
    assert np.abs(result.confidence - confidence).max() <= 1


def test_the_threads_of_torch_are_left_alone(weights: Path) -> None:
    threads = torch.get_num_threads()
    segmenter = Segmenter.load(weights, device='cpu', cpu_threads=threads + 1)
    assert segmenter.settings.cpu_threads == threads + 1
    _ = segmenter(make_frame(96, 128)).confidence
    assert torch.get_num_threads() == threads
    assert Segmenter.load(weights, device='cpu').settings.cpu_threads == threads


def test_the_default_type_of_torch_does_not_matter(
    segmenter: Segmenter, weights: Path, set_default_dtype: Callable[[torch.dtype], None]
) -> None:
    frame = make_frame(96, 128)
    expected = segmenter(frame)
    for dtype in (torch.float64, torch.float16):
        set_default_dtype(dtype)
        result = Segmenter.load(weights, device='cpu', precision='fp32')(frame)
        np.testing.assert_array_equal(result.labels, expected.labels)
        np.testing.assert_array_equal(result.confidence, expected.confidence)


def test_the_default_device_of_torch_does_not_matter(segmenter: Segmenter, weights: Path) -> None:
    frame = make_frame(96, 128)
    expected = segmenter(frame)
    with torch.device('meta'):  # where nothing can be computed
        result = Segmenter.load(weights, device='cpu', precision='fp32')(frame)
        np.testing.assert_array_equal(result.labels, expected.labels)
        np.testing.assert_array_equal(result.confidence, expected.confidence)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs an NVIDIA GPU')
@pytest.mark.parametrize('precision', ['fp16', 'bf16', 'fp32'])
def test_the_gpu_gives_the_same_labels(segmenter: Segmenter, weights: Path, precision: str) -> None:
    on_gpu = Segmenter.load(weights, device='cuda', precision=precision)
    assert on_gpu.device == 'cuda:0'
    frames = [make_frame(192, 256), make_frame(480, 640, seed=1)]
    for frame, result in zip(frames, on_gpu.batch(frames), strict=True):
        expected = segmenter(frame)
        assert np.mean(result.labels != expected.labels) < 0.02  # random weights: narrow margins
