# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Libraries report nothing to their makers."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest


@pytest.mark.parametrize('library', ['onnxruntime', 'openvino'])
def test_a_library_keeps_no_identity_to_report(tmp_path: Path, library: str) -> None:
    if find_spec(library) is None:
        pytest.skip(f'needs {library}')
    switches = ('CI', 'XDG_CACHE_HOME', 'ORT_DISABLE_TELEMETRY')
    environment = {name: value for name, value in os.environ.items() if name not in switches}
    environment['HOME'] = str(tmp_path)
    code = f'import bisenet_ros.engine, {library}'
    subprocess.run([sys.executable, '-c', code], env=environment, check=True, timeout=240)
    assert list(tmp_path.iterdir()) == []
