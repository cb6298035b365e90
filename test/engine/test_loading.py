# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every engine runs every network, or says that it cannot; one that computes wrong is not used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from cpu_marks import needs_bf16, needs_winograd
from network_names import SMALLER
from odd_network import OddNetwork, UnloadableEngine
from torch import Tensor

from bisenet_ros.checkpoint import Checkpoint, shipped_weights
from bisenet_ros.engine import loading, winograd
from bisenet_ros.engine.device_failure import NotFiniteError
from bisenet_ros.engine.engine import Engine, UnsupportedNetworkError
from bisenet_ros.engine.loading import LoadedEngine, load_engine
from bisenet_ros.engine.registry import ENGINES, EngineEntry
from bisenet_ros.engine.self_check import SelfCheck
from bisenet_ros.engine.torch_engine import TorchEngine
from bisenet_ros.engine.winograd import WinogradConvolution
from bisenet_ros.errors import UserError
from bisenet_ros.label_space import CAMVID
from bisenet_ros.model_settings import ModelSettings
from bisenet_ros.network import NETWORKS, SegmentationNetwork
from bisenet_ros.preprocess import Normalization
from bisenet_ros.segmenter import Segmenter

CPU = torch.device('cpu')
SIZE = (128, 96)
NORMALIZATION = Normalization(mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))

needs_openvino = pytest.mark.skipif(find_spec('openvino') is None, reason='needs OpenVINO')


OURS = dict(ENGINES)


@pytest.fixture(autouse=True)
def _more_than_ours() -> Iterator[None]:
    """What others would add, each in one line; and the engine for GPUs, which runs here slowly."""
    NETWORKS['odd'] = OddNetwork
    ENGINES['wrong'] = EngineEntry('odd_network', 'WrongEngine', ('cpu',))
    ENGINES['blind'] = EngineEntry('odd_network', 'BlindEngine', ('cpu',))
    ENGINES['failing'] = EngineEntry('odd_network', 'FailingEngine', ('cpu',))
    ENGINES['unloadable'] = EngineEntry('odd_network', 'UnloadableEngine', ('cpu',))
    ENGINES['cuda'] = replace(OURS['cuda'], device_types=('cpu', 'cuda'))
    yield
    del NETWORKS['odd']
    keep_only(*OURS)
    ENGINES.update(OURS)


def keep_only(*names: str) -> None:
    """Leave these engines alone, in this order."""
    kept = {name: ENGINES.get(name, OURS.get(name)) for name in names}
    ENGINES.clear()
    ENGINES.update({name: entry for name, entry in kept.items() if entry is not None})


def build(name: str) -> SegmentationNetwork:
    if 'resnet' in name and find_spec('torchvision') is None:
        pytest.skip('needs torchvision, which has the ResNets')
    torch.manual_seed(0)
    return NETWORKS[name](7).eval()


def load(
    engine: str,
    network: SegmentationNetwork,
    *,
    size: tuple[int, int] = SIZE,
    precision: str = 'fp32',
    check: bool = True,
) -> LoadedEngine:
    return load_engine(engine, network, NORMALIZATION, size, CPU, precision, self_check=check)


def frame(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def expected(network: SegmentationNetwork, shown: np.ndarray) -> Tensor:
    with torch.inference_mode():
        return network.coarse(NORMALIZATION(torch.from_numpy(shown[None])))


def assert_runs(engine: Engine, network: SegmentationNetwork) -> None:
    """It computes what the network does, as plain PyTorch computes it."""
    shown = frame(*SIZE)
    logits, exact = engine([shown]), expected(network, shown)
    error = float((logits - exact).norm() / exact.norm())
    assert error < 1e-4
    assert (logits.argmax(1) == exact.argmax(1)).all()


# ---- every network through every engine ----


@pytest.mark.parametrize('network_name', [*NETWORKS, 'odd'])
@pytest.mark.parametrize('engine_name', OURS)
def test_labels_are_those_of_plain_torch(engine_name: str, network_name: str) -> None:
    if engine_name == 'openvino' and find_spec('openvino') is None:
        pytest.skip('needs OpenVINO')
    network = build(network_name)
    if (engine_name, network_name) == ('openvino', 'odd'):
        refusal = r'^engine openvino cannot run this network \(.* no translation to OpenVINO\): u'
        with pytest.raises(UserError, match=refusal):
            load(engine_name, network)
        return
    loaded = load(engine_name, network)
    assert (loaded.engine.name, loaded.note, loaded.engine.notes) == (engine_name, '', [])
    assert_runs(loaded.engine, network)


@pytest.mark.parametrize('name', ['torch', pytest.param('openvino', marks=needs_openvino), 'cuda'])
@pytest.mark.usefixtures('small_images_pay')
def test_the_default_type_of_torch_does_not_matter(
    set_default_dtype: Callable[[torch.dtype], None], name: str
) -> None:
    network, shown = build('bisenetv2'), frame(200, 150)
    logits = load(name, network).engine([shown])
    for dtype in (torch.float64, torch.float16):
        set_default_dtype(dtype)
        loaded = load(name, network)
        assert (loaded.engine.name, loaded.note) == (name, '')
        assert torch.equal(loaded.engine([shown]), logits), dtype


@pytest.mark.parametrize('name', ['torch', pytest.param('openvino', marks=needs_openvino), 'cuda'])
def test_the_default_device_of_torch_does_not_matter(name: str) -> None:
    network, shown = build('bisenetv2'), frame(200, 150)
    logits = load(name, network).engine([shown])
    with torch.device('meta'):  # where nothing can be computed
        loaded = load(name, network)
        assert (loaded.engine.name, loaded.note, loaded.engine.notes) == (name, '', [])
        assert torch.equal(loaded.engine([shown]), logits)


@needs_openvino
def test_auto_passes_over_an_engine_that_cannot_run_the_network() -> None:
    keep_only('torch', 'openvino')
    network = build('odd')
    loaded = load('auto', network)
    assert loaded.engine.name == 'torch'
    assert loaded.note.startswith('engine openvino cannot run this network (')
    assert loaded.note.endswith(' has no translation to OpenVINO): torch runs instead')
    assert '\n' not in loaded.note
    assert_runs(loaded.engine, network)


@needs_bf16
@pytest.mark.parametrize('network_name', [*SMALLER, 'odd'])
def test_what_bf16_rounds_is_no_reason_to_refuse_an_engine(network_name: str) -> None:
    """This holds even for an untrained network, whose classes score almost the same."""
    network = build(network_name)
    for name in OURS:
        if name != 'openvino' or (find_spec('openvino') and network_name != 'odd'):
            loaded = load(name, network, precision='bf16', size=(160, 96))
            assert (loaded.engine.name, loaded.note) == (name, '')


# ---- what is not there ----


@pytest.mark.parametrize(
    ('failure', 'note'),
    [
        (ModuleNotFoundError("No module named 'openvino'", name='openvino'), ''),
        (
            ImportError('libopenvino.so: cannot open shared object file', name='openvino'),
            'engine openvino is not installed (libopenvino.so: cannot open shared object file): '
            'python3 -m pip install openvino, or use auto: torch runs instead',
        ),
    ],
)
def test_auto_says_so_where_an_engine_is_broken(
    monkeypatch: pytest.MonkeyPatch, failure: ImportError, note: str
) -> None:
    real = loading.import_module

    def import_module(name: str) -> object:
        if name == ENGINES['openvino'].module:
            raise failure
        return real(name)

    keep_only('torch', 'openvino')
    monkeypatch.setattr(loading, 'import_module', import_module)
    loaded = load('auto', build('odd'))
    assert (loaded.engine.name, loaded.note) == ('torch', note)
    with pytest.raises(UserError, match=r'python3 -m pip install openvino'):
        load('openvino', build('odd'))


def test_a_module_of_ours_that_is_missing_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'bisenet_ros.engine.cuda_engine', None)
    with pytest.raises(ModuleNotFoundError):
        load('cuda', build('odd'))


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('tensorrt', "no engine 'tensorrt': the choices are auto, torch, openvino, cuda, wrong"),
        ('far', 'engine far is for meta, not for cpu: use engine auto'),
    ],
)
def test_what_cannot_be_is_refused(name: str, message: str) -> None:
    ENGINES['far'] = EngineEntry('nowhere', 'Far', ('meta',))
    with pytest.raises(UserError, match=f'^{message}'):
        load(name, build('odd'))


# ---- the self-check ----


@pytest.mark.parametrize('name', ['wrong', 'blind'])
def test_an_engine_that_computes_wrong_is_not_used(name: str) -> None:
    network = build('bisenetv2')
    loaded = load(name, network)
    assert loaded.engine.name == 'torch'
    assert loaded.note == (
        f'engine {name} gets 100.0 % of the labels of a test frame wrong on this cpu in fp32: '
        'torch runs instead'
    )
    assert_runs(loaded.engine, network)
    unchecked = load(name, network, check=False)
    assert (unchecked.engine.name, unchecked.note) == (name, '')


def test_auto_goes_on_to_the_next_engine() -> None:
    keep_only('torch', 'wrong', 'blind')
    loaded = load('auto', build('bisenetv2'))
    assert loaded.engine.name == 'torch'
    assert loaded.note.count('of the labels of a test frame wrong') == 2
    assert loaded.note.endswith(
        '; engine blind gets 100.0 % of the labels of a test frame wrong '
        'on this cpu in fp32: torch runs instead'
    )


@pytest.mark.parametrize('name', ['failing', 'unloadable'])
def test_an_engine_that_fails_is_replaced(name: str) -> None:
    network = build('bisenetv2')
    loaded = load(name, network)
    assert loaded.engine.name == 'torch'
    assert loaded.note == (
        f'engine {name} failed (cuDNN error: CUDNN_STATUS_EXECUTION_FAILED): torch runs instead'
    )
    assert_runs(loaded.engine, network)


@pytest.mark.parametrize(
    'error', ['CUDA out of memory', 'CUDA error: an illegal memory access was encountered']
)
def test_a_device_without_memory_or_that_is_lost_is_an_error(
    monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    kind = torch.cuda.OutOfMemoryError if 'memory' in error[:20] else RuntimeError

    def fail(*_: object) -> None:
        raise kind(error)

    monkeypatch.setattr(UnloadableEngine, '__init__', fail)
    with pytest.raises(RuntimeError, match=error):
        load('unloadable', build('bisenetv2'))


@needs_winograd
@pytest.mark.usefixtures('small_images_pay')
@pytest.mark.parametrize('name', ['torch', pytest.param('openvino', marks=needs_openvino)])
def test_a_corrupted_kernel_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """One of ours, in whatever engine: then plain torch does without."""
    network, exact = build('bisenetv2'), winograd._FILTER_TRANSFORMS[1]
    assert load(name, network).note == ''
    first, second, *others = exact
    monkeypatch.setitem(winograd._FILTER_TRANSFORMS, 1, (second, first, *others))
    loaded = load(name, network)
    assert isinstance(loaded.engine, TorchEngine)
    assert not any(
        isinstance(part, WinogradConvolution) for part in loaded.engine._network.modules()
    )
    assert f'engine {name} gets ' in loaded.note
    assert loaded.note.endswith(': plain torch runs instead')
    assert_runs(loaded.engine, network)


@pytest.mark.skipif(not shipped_weights(), reason='needs the weights that ship with the package')
@pytest.mark.parametrize(('noise', 'right'), [(0.02, True), (0.5, False)])
def test_rounding_passes_and_more_does_not(noise: float, right: bool) -> None:
    checkpoint = Checkpoint.load('camvid')
    model = checkpoint.build(), checkpoint.normalization, (320, 240), CPU, 'fp32'
    check = SelfCheck(*model)
    logits = check.run(TorchEngine(*model))
    assert check.fault_of(logits) == ''
    generator = torch.Generator().manual_seed(0)
    disturbed = logits + noise * logits.std() * torch.randn(logits.shape, generator=generator)
    assert (check.fault_of(disturbed) == '') == right


@pytest.mark.parametrize('name', ['torch', pytest.param('openvino', marks=needs_openvino), 'cuda'])
def test_weights_without_finite_logits_are_refused(name: str) -> None:
    network = build('bisenetv2')
    # Finite, but no variance: the root of it is NaN.
    network.state_dict()['detail.1.norm.running_var'].fill_(-1)
    with pytest.raises(NotFiniteError, match='are not finite in plain torch on this cpu in fp32'):
        load(name, network)


@needs_winograd
@pytest.mark.usefixtures('small_images_pay')
def test_torch_has_no_logits_where_the_network_has_none() -> None:
    network = build('bisenetv2')
    network.state_dict()['detail.1.norm.running_var'].fill_(-1)
    assert load('torch', network, check=False).engine([frame(*SIZE)]).isnan().all()


def test_one_class_is_always_right() -> None:
    network = NETWORKS['odd'](1).eval()
    assert load('torch', network).note == ''


def test_the_network_is_not_changed_by_a_check() -> None:
    network = build('bisenetv2')
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    load('torch', network)
    after = network.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


# ---- in the segmenter ----


def segmenter(engine: str, *, self_check: bool = True) -> Segmenter:
    checkpoint = Checkpoint(
        network='odd',
        label_space=CAMVID,
        normalization=NORMALIZATION,
        network_size=SIZE,
        upsampling='bilinear',
        state_dict=OddNetwork(len(CAMVID)).state_dict(),
    )
    settings = ModelSettings(device='cpu', precision='fp32', engine=engine, self_check=self_check)
    return Segmenter(checkpoint, settings)


def test_a_segmenter_says_what_runs_and_why() -> None:
    checked = segmenter('wrong')
    assert checked.engine == 'torch'
    assert checked.engine_note.startswith('engine wrong gets 100.0 % of the labels')
    assert checked.notes == (checked.engine_note,)
    healthy = segmenter('torch')
    assert (healthy.engine, healthy.engine_note, healthy.notes) == ('torch', '', ())
    assert segmenter('wrong', self_check=False).engine == 'wrong'


def test_a_segmenter_hears_of_what_fails_at_run_time() -> None:
    healthy = segmenter('cuda')
    assert healthy.notes == ()
    healthy._engine.notes.append('no CUDA graph')
    assert healthy.notes == ('no CUDA graph',)


def test_a_refusal_is_an_error_of_the_user() -> None:
    assert issubclass(UnsupportedNetworkError, UserError)
