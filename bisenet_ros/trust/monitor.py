# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Notices when frames are unlike those that a claim was made for."""

from __future__ import annotations

from collections import deque
from statistics import fmean

from bisenet_ros.trust.claim import Claim

FRAMES = 30
"""Number of frames that are judged together: three seconds at 10 Hz."""


class ClaimMonitor:
    """Watches the confidence of one camera's frames, the only evidence without ground truth.

    Night, rain, a dirty lens or another country make the network less certain. While the frames of
    the last seconds have a lower mean confidence than 99 % of the calibration's frames, the claim
    no longer holds. One thread may add frames while another reads `doubt`.

    Attributes:
        doubt: Why the claim no longer holds, in one line; empty while it holds.
    """

    def __init__(self) -> None:
        self._confidences: deque[float] = deque(maxlen=FRAMES)
        self._claim: Claim | None = None
        self.doubt = ''

    def clear(self) -> None:
        """Forgets all frames: the network has changed, or no claim applies to it."""
        self._confidences.clear()
        self.doubt = ''

    def add(self, claim: Claim, confidence: float) -> None:
        """Adds a frame; those of a network with another claim are forgotten.

        Args:
            claim: The claim of the network that segmented it.
            confidence: The frame's mean confidence, 0 to 1.
        """
        if claim != self._claim:
            self.clear()
            self._claim = claim
        self._confidences.append(confidence)
        recent = fmean(self._confidences)
        unusual = len(self._confidences) == FRAMES and recent < claim.usual_confidence
        self.doubt = (
            f'the mean confidence of the last {FRAMES} frames is {recent:.3f}, which is below '
            f'{claim.usual_confidence:.3f}: they are unlike the calibration ({claim.data})'
            if unusual
            else ''
        )
