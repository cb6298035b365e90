# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Defines the settings of the loss."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from bisenet_ros.errors import UserError
from bisenet_ros.strict_model import StrictModel
from bisenet_training.setting_types import Fraction, NotNegative, Number, Positive

_ClassWeights = Annotated[
    Annotated[Literal['none', 'enet'], Tag('name')]
    | Annotated[tuple[NotNegative, ...], Tag('numbers')],
    # Errors are those of the form that is meant.
    Discriminator(lambda value: 'name' if isinstance(value, str) else 'numbers'),
]


class LossSettings(StrictModel):
    """Settings of the cross-entropy of every head, over all or the hard pixels, and of Dice.

    Except for OHEM, the defaults are what both papers train with: plain cross-entropy, auxiliary
    and booster heads at weight 1.

    Attributes:
        class_weights: The weight of a pixel of each class. 'none': all equal. 'enet':
            1 / ln(1.10 + share of the class in the data set), which gives rare classes more weight
            (Paszke et al. 2016, ENet, section 5.2; the paper has 1.02 instead of 1.10). Or one
            number per class, in the order of the label space.
        hard_from: The fraction of the training, 0 to 1, from which only hard pixels count (OHEM,
            Shrivastava et al. 2016). 0 means always, as in the recipes of CoinCheung/BiSeNet; None
            means never, as in BiSeNet V1's paper. Early in training OHEM neglects rare classes; at
            the end it sharpens borders.
        hard_probability: A pixel is hard if its true class gets less than this probability.
        hard_least_share: The least share of the labelled pixels that counts. If fewer are hard,
            the pixels with the largest loss count.
        dice_weight: Weight of the Dice loss relative to cross-entropy (Milletari et al. 2016,
            V-Net, section 3, but with probabilities in the denominator instead of their squares).
            For a binary task with a small foreground, 1 is usual: BCE + Dice.
        booster_weight: Weight of the loss of each auxiliary or booster head relative to the main
            head's: alpha of BiSeNet V1, formula 2, which both papers' recipes set to 1.
        booster_label_stride: Boosters are compared with every n-th label of every n-th row. Their
            logits are at 1/4 and coarser, so 4 loses little, and a step on a CPU is over 10 %
            faster. The papers' recipes compare with all labels (1).
    """

    class_weights: _ClassWeights = 'none'
    hard_from: Fraction | None = None
    hard_probability: Annotated[Number, Field(gt=0, lt=1)] = 0.7
    hard_least_share: Fraction = 1 / 16
    dice_weight: NotNegative = 0.0
    booster_weight: NotNegative = 1.0
    booster_label_stride: Literal[1, 2, 4] = 1

    @model_validator(mode='after')
    def _is_consistent(self) -> LossSettings:
        if not any(self.class_weights):
            raise ValueError('class_weights are all 0: give at least one class a weight')
        return self

    def check_classes(self, num_classes: int) -> None:
        """Checks that class weights, if given as numbers, fit the number of classes.

        Raises:
            UserError: There is not one weight for each class.
        """
        weights = self.class_weights
        if not isinstance(weights, str) and len(weights) != num_classes:
            raise UserError(
                f'class_weights are {len(weights)} numbers, but there are {num_classes} classes: '
                'give one for each'
            )


class TeacherSettings(StrictModel):
    """Settings of a teacher: a trained network to learn from in addition to the labels.

    Attributes:
        weights: Name of shipped weights, or a checkpoint of any network, for the same classes. The
            teacher gets the same images as the student.
        logits_weight: Weight of the comparison of logits, relative to the loss on labels.
        temperature: Divides logits before the softmax, so that the teacher's less likely classes
            count, too.
        features_weight: Weight of the comparison of features at 1/8; 0 leaves it out.
        features_temperature: Divides features before the softmax over positions. The paper on
            channel-wise distillation uses 4, and a weight of 50 for features after ReLU.
    """

    weights: str
    logits_weight: NotNegative = 1.0
    temperature: Positive = 2.0
    features_weight: NotNegative = 0.0
    features_temperature: Positive = 4.0
