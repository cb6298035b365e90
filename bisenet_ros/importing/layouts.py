# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tensor names of other implementations of the same networks, and how these networks differ.

CoinCheung's BiSeNet ("CC") publishes flat state dicts, mmsegmentation ("MM") nests them. A table of
names and the options of our network describe each layout, so their code is not needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bisenet_ros.network import Upsampling
from bisenet_ros.preprocess import Normalization

IMAGENET = Normalization(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
CITYSCAPES_STATISTICS = Normalization(mean=(0.3257, 0.3690, 0.3223), std=(0.2112, 0.2148, 0.2115))

Names = Mapping[str, str]
"""Module names, ours -> theirs; names inside a module are the same."""


def _nest(*parts: tuple[str, str, Names]) -> dict[str, str]:
    """Merges tables: each part is our prefix, their prefix, and the names below."""
    return {
        f'{ours}.{name}': f'{theirs}.{there}'
        for ours, theirs, names in parts
        for name, there in names.items()
    }


def _stage(down: Names, keep: Names, depth: int) -> dict[str, str]:
    """Maps a stage of V2's Semantic Branch: a layer with stride 2, then `depth` with stride 1."""
    return _nest(('0', '0', down), *((str(i), str(i), keep) for i in range(1, depth + 1)))


_MODULES = {'conv': 'conv', 'norm': 'bn'}
_NUMBERED = {'conv': '0', 'norm': '1'}

# (stage, layer in the stage) for each layer of V2's Detail Branch.
_DETAIL = tuple((stage, layer) for stage, depth in enumerate((2, 3, 3)) for layer in range(depth))

_CC_KEEP = _nest(
    ('gather', 'conv1', _MODULES), ('expand', 'dwconv', _NUMBERED), ('project', 'conv2', _NUMBERED)
)
_CC_DOWN = _nest(
    ('gather', 'conv1', _MODULES),
    ('expand', 'dwconv1', _NUMBERED),
    ('refine', 'dwconv2', _NUMBERED),
    ('project', 'conv2', _NUMBERED),
    ('shortcut.0', 'shortcut', _NUMBERED),
    ('shortcut.1', 'shortcut', {'conv': '2', 'norm': '3'}),
)
_CC_V2 = _nest(
    *((f'detail.{i}', f'detail.S{s + 1}.{j}', _MODULES) for i, (s, j) in enumerate(_DETAIL)),
    ('semantic.stem.shrink', 'segment.S1S2.conv', _MODULES),
    ('semantic.stem.convolve.0', 'segment.S1S2.left.0', _MODULES),
    ('semantic.stem.convolve.1', 'segment.S1S2.left.1', _MODULES),
    ('semantic.stem.fuse', 'segment.S1S2.fuse', _MODULES),
    ('semantic.stage3', 'segment.S3', _stage(_CC_DOWN, _CC_KEEP, 1)),
    ('semantic.stage4', 'segment.S4', _stage(_CC_DOWN, _CC_KEEP, 1)),
    ('semantic.stage5', 'segment.S5_4', _stage(_CC_DOWN, _CC_KEEP, 3)),
    ('semantic.context', 'segment.S5_5', {'norm': 'bn'}),
    ('semantic.context.embed', 'segment.S5_5.conv_gap', _MODULES),
    ('semantic.context.fuse', 'segment.S5_5.conv_last', _MODULES),
    ('aggregation.detail_keep.0', 'bga.left1', _NUMBERED),
    ('aggregation.detail_keep', 'bga.left1', {'1': '2'}),
    ('aggregation.detail_down.0', 'bga.left2', _NUMBERED),
    ('aggregation.semantic_up', 'bga.right1', _NUMBERED),
    ('aggregation.semantic_keep.0', 'bga.right2', _NUMBERED),
    ('aggregation.semantic_keep', 'bga.right2', {'1': '2'}),
    ('aggregation.fuse', 'bga.conv', _NUMBERED),
    ('head.project', 'head.conv', _MODULES),
    ('head', 'head.conv_out', {'classify': '1'}),
)

_MM_SEPARABLE = _nest(('0', 'depthwise_conv', _MODULES), ('1', 'pointwise_conv', _MODULES))
_MM_KEEP = _nest(
    ('gather', 'conv1', _MODULES),
    ('expand', 'dwconv.0', _MODULES),
    ('project', 'conv2.0', _MODULES),
)
_MM_DOWN = _nest(
    ('gather', 'conv1', _MODULES),
    ('expand', 'dwconv.0', _MODULES),
    ('refine', 'dwconv.1', _MODULES),
    ('project', 'conv2.0', _MODULES),
    ('shortcut', 'shortcut.0', _MM_SEPARABLE),
)
_MM_HEAD = _nest(('project', 'convs.0', _MODULES)) | {'classify': 'conv_seg'}
_MM_V2 = _nest(
    *(
        (f'detail.{i}', f'backbone.detail.detail_branch.{s}.{j}', _MODULES)
        for i, (s, j) in enumerate(_DETAIL)
    ),
    ('semantic.stem.shrink', 'backbone.semantic.stage1.conv_first', _MODULES),
    ('semantic.stem.convolve.0', 'backbone.semantic.stage1.convs.0', _MODULES),
    ('semantic.stem.convolve.1', 'backbone.semantic.stage1.convs.1', _MODULES),
    ('semantic.stem.fuse', 'backbone.semantic.stage1.fuse_last', _MODULES),
    ('semantic.stage3', 'backbone.semantic.stage2', _stage(_MM_DOWN, _MM_KEEP, 1)),
    ('semantic.stage4', 'backbone.semantic.stage3', _stage(_MM_DOWN, _MM_KEEP, 1)),
    ('semantic.stage5', 'backbone.semantic.stage4', _stage(_MM_DOWN, _MM_KEEP, 3)),
    ('semantic.context', 'backbone.semantic.stage4_CEBlock', {'norm': 'gap.1'}),
    ('semantic.context.embed', 'backbone.semantic.stage4_CEBlock.conv_gap', _MODULES),
    ('semantic.context.fuse', 'backbone.semantic.stage4_CEBlock.conv_last', _MODULES),
    ('aggregation.detail_keep.0', 'backbone.bga.detail_dwconv.0.depthwise_conv', _MODULES),
    ('aggregation.detail_keep', 'backbone.bga.detail_dwconv.0', {'1': 'pointwise_conv.conv'}),
    ('aggregation.detail_down.0', 'backbone.bga.detail_down.0', _MODULES),
    ('aggregation.semantic_up', 'backbone.bga.semantic_conv.0', _MODULES),
    ('aggregation.semantic_keep.0', 'backbone.bga.semantic_dwconv.0.depthwise_conv', _MODULES),
    ('aggregation.semantic_keep', 'backbone.bga.semantic_dwconv.0', {'1': 'pointwise_conv.conv'}),
    ('aggregation.fuse', 'backbone.bga.conv', _MODULES),
    ('head', 'decode_head', _MM_HEAD),
)

_CC_ATTENTION = _nest(('project', 'conv', _MODULES)) | {
    'attend.conv': 'conv_atten',
    'attend.norm': 'bn_atten',
}
_CC_V1 = _nest(
    ('spatial.0', 'sp.conv1', _MODULES),
    ('spatial.1', 'sp.conv2', _MODULES),
    ('spatial.2', 'sp.conv3', _MODULES),
    ('spatial.3', 'sp.conv_out', _MODULES),
    ('context', 'cp', {'backbone': 'resnet'}),
    ('context.embed', 'cp.conv_avg', _MODULES),
    ('context.refine32', 'cp.arm32', _CC_ATTENTION),
    ('context.smooth32', 'cp.conv_head32', _MODULES),
    ('context.refine16', 'cp.arm16', _CC_ATTENTION),
    ('context.smooth16', 'cp.conv_head16', _MODULES),
    ('fusion.mix', 'ffm.convblk', _MODULES),
    ('head.project', 'conv_out.conv', _MODULES),
    ('head', 'conv_out', {'classify': 'conv_out'}),
)

_MM_ATTENTION = _nest(
    ('project', 'conv_layer', _MODULES), ('attend', 'atten_conv_layer.1', _MODULES)
)
_MM_V1 = _nest(
    ('spatial.0', 'backbone.spatial_path.layer1', _MODULES),
    ('spatial.1', 'backbone.spatial_path.layer2', _MODULES),
    ('spatial.2', 'backbone.spatial_path.layer3', _MODULES),
    ('spatial.3', 'backbone.spatial_path.layer4', _MODULES),
    ('context', 'backbone.context_path', {'backbone': 'backbone'}),
    ('context.embed', 'backbone.context_path.gap_conv.1', _MODULES),
    ('context.refine32', 'backbone.context_path.arm32', _MM_ATTENTION),
    ('context.smooth32', 'backbone.context_path.conv_head32', _MODULES),
    ('context.refine16', 'backbone.context_path.arm16', _MM_ATTENTION),
    ('context.smooth16', 'backbone.context_path.conv_head16', _MODULES),
    ('fusion.mix', 'backbone.ffm.conv1', _MODULES),
    ('fusion.attend', 'backbone.ffm.conv_atten.0', _MODULES),
    ('head', 'decode_head', _MM_HEAD),
)


@dataclass(frozen=True)
class Layout:
    """A network of one implementation.

    Attributes:
        title: Name of the implementation and the network.
        mark: A tensor that no other layout has.
        network: Our name of the network.
        upsampling: Upsampling mode of features inside the network.
        names: Names of our modules and theirs.
        training_heads: Name prefixes of their auxiliary heads.
        normalization: Normalisation of the input; if it depends on the data set, for Cityscapes.
        per_data_set: Whether mean and standard deviation depend on the data set.
        options: Differences from the defaults of our network.
    """

    title: str
    mark: str
    network: str
    upsampling: Upsampling
    names: Names
    training_heads: tuple[str, ...]
    normalization: Normalization
    per_data_set: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    def their_name(self, name: str) -> str:
        """Returns their name of one of our tensors: only the name of its module differs."""
        module = name
        while module not in self.names:
            module, _, _ = module.rpartition('.')
        return self.names[module] + name.removeprefix(module)


LAYOUTS = (
    Layout(
        title="CoinCheung's BiSeNet V2",
        mark='bga.left1.2.weight',
        network='bisenetv2',
        upsampling='nearest',
        names=_CC_V2,
        training_heads=('aux2.', 'aux3.', 'aux4.', 'aux5_4.'),
        normalization=CITYSCAPES_STATISTICS,
        per_data_set=True,
    ),
    Layout(
        title="CoinCheung's BiSeNet V1",
        mark='ffm.conv.weight',
        network='bisenetv1_resnet18',
        upsampling='nearest',
        names=_CC_V1 | _nest(('fusion.attend', 'ffm', _MODULES)),
        training_heads=('conv_out16.', 'conv_out32.'),
        normalization=CITYSCAPES_STATISTICS,
        per_data_set=True,
    ),
    Layout(
        title="CoinCheung's BiSeNet V1 of July 2021",
        mark='ffm.conv1.weight',
        network='bisenetv1_resnet18',
        upsampling='nearest',
        names=_CC_V1 | _nest(('fusion.attend', 'ffm', {'0': 'conv1', '2': 'conv2'})),
        training_heads=('conv_out16.', 'conv_out32.'),
        normalization=CITYSCAPES_STATISTICS,
        per_data_set=True,
        options={'gate': 'bottleneck'},
    ),
    Layout(
        title="mmsegmentation's BiSeNet V2",
        mark='backbone.bga.detail_dwconv.0.pointwise_conv.conv.weight',
        network='bisenetv2',
        upsampling='bilinear',
        names=_MM_V2,
        training_heads=('auxiliary_head.',),
        normalization=IMAGENET,
        options={'aggregation_bias': True},
    ),
    Layout(
        title="mmsegmentation's BiSeNet V1",
        mark='backbone.ffm.conv_atten.0.conv.weight',
        network='bisenetv1_resnet18',
        upsampling='nearest',
        names=_MM_V1,
        training_heads=('auxiliary_head.',),
        normalization=IMAGENET,
        options={'gate': 'norm_relu'},
    ),
)
