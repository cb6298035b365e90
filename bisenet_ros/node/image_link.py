# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Explains from the ROS graph why no frames arrive from a camera.

This module does not query the graph; `ImageSubscription.link` does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bisenet_ros.message_types import COMPRESSED, COMPRESSED_DEPTH, COMPRESSED_IMAGE_TYPE
from bisenet_ros.node import large_images


@dataclass(frozen=True)
class Offer:
    """One publisher of a topic.

    Attributes:
        type: Its message type, such as sensor_msgs/msg/Image.
        reliable: Whether it offers reliable delivery.
    """

    type: str
    reliable: bool


@dataclass(frozen=True)
class ImageLink:
    """The connection between a camera and the node.

    Attributes:
        topic: The topic that the node subscribes to, after all remapping.
        type: The message type of the subscription.
        reliable: Whether the subscription requests reliable delivery.
        offers: Publishers on the topic, also of other message types.
        other_transport: The camera's topic of the other transport if it has a publisher.
        name: The name of the input to remap, without `/compressed`.
        elsewhere: Returns published topics of the expected type that the node neither subscribes to
            nor publishes; asks the graph about each of them.
        middleware: The identifier of the RMW implementation.
    """

    topic: str
    type: str
    reliable: bool
    offers: Sequence[Offer] = ()
    other_transport: str = ''
    name: str = 'image'
    elsewhere: Callable[[], Sequence[str]] = tuple
    middleware: str = ''

    @property
    def compressed(self) -> bool:
        """Whether the images are compressed: the value of the parameter `transport`."""
        return self.type == COMPRESSED_IMAGE_TYPE

    @property
    def publishers(self) -> list[Offer]:
        """The publishers of the expected type: nothing arrives from others."""
        return _of_type(self.type, self.offers)


def agreed_reliability(offers: Sequence[Offer], message_type: str) -> bool:
    """Returns whether to request reliable delivery: only if every publisher offers it.

    Best effort matches every publisher, so it is also used while there is none.

    Args:
        offers: Publishers on the topic.
        message_type: The type of the subscription; publishers of other types do not count.
    """
    publishers = _of_type(message_type, offers)
    return bool(publishers) and all(offer.reliable for offer in publishers)


def explain_silence(link: ImageLink, *, steady: bool, lost: int) -> str:
    """Returns the most likely reason why no frame arrives, and what to do.

    Args:
        link: The connection as the graph shows it.
        steady: Whether frames arrived steadily before.
        lost: Number of frames that are known to have been lost on the way.
    """
    wrong = sorted({offer.type for offer in link.offers if offer.type != link.type})
    if not link.publishers:
        remapped = link.topic
        if link.compressed:
            remapped = remapped.removesuffix(COMPRESSED)
        if remapped.endswith(COMPRESSED):
            also = '' if link.compressed else ', and set transport to compressed'
            return (
                f'{link.name} is remapped to {remapped}: leave {COMPRESSED} out of the remapping'
                f'{also}'
            )
        if wrong:
            return f'{link.topic} is published as {wrong[0]}, not as {link.type}'
        if steady:
            return f'nobody publishes {link.topic} any more: the camera has stopped'
        return f'nobody publishes {link.topic} ({link.type}){_instead(link)}'
    if link.reliable and not any(offer.reliable for offer in link.publishers):
        return (
            f'{link.topic} is offered with best effort, but image_reliability asks for reliable:'
            ' set it to auto or best_effort'
        )
    # If frames arrived steadily and none was lost, the connection is sound.
    if link.reliable or (steady and not lost):
        any_more = ' any more' if steady else ''
        return f'{link.topic} has a publisher, but it sends nothing{any_more}'
    arrives = 'nothing arrives any more' if steady else 'almost no frames arrive'
    return f'{link.topic} has a publisher, but {arrives}{_lost_on_the_way(link)}'


def explain_loss(link: ImageLink, *, received: int, lost: int) -> str:
    """Returns how many frames are lost, the most likely reason, and what to do.

    Args:
        link: The connection as the graph shows it.
        received: Number of frames that arrived recently.
        lost: Number of frames that were lost in the same time.
    """
    return (
        f'{lost} of {received + lost} frames of {link.topic} got lost on the way'
        f'{_lost_on_the_way(link)}'
    )


def _of_type(message_type: str, offers: Sequence[Offer]) -> list[Offer]:
    return [offer for offer in offers if offer.type == message_type]


def _instead(link: ImageLink) -> str:
    if link.other_transport:
        other = 'raw' if link.compressed else 'compressed'
        # Named cameras may be several, and this parameter is the same for all.
        of_all = '' if link.name == 'image' else ' for all cameras, or start a node for this one'
        return f', but {link.other_transport} is published: set transport to {other}{of_all}'
    name, elsewhere = link.name, link.elsewhere()
    if link.compressed:
        elsewhere = [topic for topic in elsewhere if not topic.endswith(COMPRESSED_DEPTH)]
        of_transport = [topic for topic in elsewhere if topic.endswith(COMPRESSED)]
        if of_transport:  # the remapping of the raw topic counts
            elsewhere = [topic.removesuffix(COMPRESSED) for topic in of_transport]
        elif elsewhere:
            name += COMPRESSED
    if elsewhere:
        return f': remap {name} to an existing topic, such as {", ".join(elsewhere[:3])}'
    return f': start the camera, or remap {link.name} to its topic'


def _lost_on_the_way(link: ImageLink) -> str:
    if 'fastrtps' not in link.middleware:
        return ': either the publisher sends nothing, or its images are lost on the way'
    return (
        '. Fast DDS loses best-effort images over 0.5 MB: start the camera driver (not only this'
        f' node) with {large_images.variable(os.environ)}={large_images.profile()}, or let it'
        ' publish reliably or compressed'
    )
