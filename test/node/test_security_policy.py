# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The SROS 2 policy allows what the running node does, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.node import NodeNameNonExistentError
from ros_peers import QUICK_START, TIMEOUT, Peer, change, running_node

from bisenet_ros.message_types import optional_message
from bisenet_ros.outputs import LABEL_INFO, NAMESPACE, OUTPUTS

POLICY = Path(__file__).parents[2] / 'config' / 'segmenter.policy.xml'
NODE = '/segmenter'

Query = Callable[[str, str], list[tuple[str, list[str]]]]


def allowed() -> dict[str, set[str]]:
    """The names in the policy as the graph has them, by what is allowed."""
    (profile,) = ElementTree.parse(POLICY).iter('profile')
    assert (profile.get('ns'), profile.get('node')) == ('/', NODE.strip('/'))
    found: dict[str, set[str]] = {}
    for rule in profile:
        ((action, qualifier),) = rule.items()
        assert qualifier == 'ALLOW'
        names = [str(entry.text) for entry in rule]
        assert not any('*' in name for name in names)
        found[action] = {
            name.replace('~', NODE, 1) if name.startswith('~') else f'/{name}' for name in names
        }
    return found


TF = set() if find_spec('tf2_ros') else {'/tf', '/tf_static'}
"""The topics that the node does not listen to here, for want of tf2_ros."""


def not_installed() -> set[str]:
    """The topics that are not published for want of their message types."""
    named = [*((output.name, output.type) for output in OUTPUTS), LABEL_INFO]
    return {
        f'/{NAMESPACE}/{name}'
        for name, kind in named
        if optional_message(kind.split('/')[0], kind.split('/')[2]) is None
    }


def of_node(peer: Peer, query: Query, wanted: set[str]) -> set[str]:
    """What the graph says of the node, when that is what is wanted or the time is over."""
    end = time.monotonic() + TIMEOUT
    while True:
        try:
            found = {name for name, _ in query(NODE.strip('/'), '/')}
        except NodeNameNonExistentError:  # its services may be known before its name
            found = set[str]()
        if found == wanted or time.monotonic() > end:
            return found
        # An answer takes as long as news of the graph.
        peer.call(GetState, f'{NODE}/get_state', GetState.Request())


def test_the_policy_is_what_the_node_does(domain: int, peer: Peer, weights: Path) -> None:
    policy = allowed()
    assert policy.keys() == {'subscribe', 'publish', 'reply'}
    subscribed = peer.node.get_subscriber_names_and_types_by_node
    with running_node(domain, weights=weights, **QUICK_START):
        raw = policy['subscribe'] - TF - {'/image/compressed'}
        assert of_node(peer, subscribed, raw) == raw

        assert change(peer, Transition.TRANSITION_DEACTIVATE) == 'inactive'
        assert change(peer, Transition.TRANSITION_CLEANUP) == 'unconfigured'
        value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value='compressed')
        request = SetParameters.Request(parameters=[Parameter(name='transport', value=value)])
        peer.call(SetParameters, f'{NODE}/set_parameters', request)
        assert change(peer, Transition.TRANSITION_CONFIGURE) == 'inactive'
        assert change(peer, Transition.TRANSITION_ACTIVATE) == 'active'

        for query, wanted in (
            (subscribed, policy['subscribe'] - TF - {'/image'}),
            (
                peer.node.get_publisher_names_and_types_by_node,
                policy['publish'] - not_installed(),
            ),
            (peer.node.get_service_names_and_types_by_node, policy['reply']),
            (peer.node.get_client_names_and_types_by_node, set()),
        ):
            assert of_node(peer, query, wanted) == wanted
    assert not_installed() <= policy['publish']
    assert policy['subscribe'] >= TF
