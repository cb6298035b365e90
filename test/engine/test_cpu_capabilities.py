# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What engines do on lesser CPUs than this one: everything that computes is told of less.

Torch, its oneDNN and OpenVINO look at the CPU when they are loaded, hence a process for each.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bisenet_ros.engine.hardware import CAPABILITY_VARIABLE, cpu_capability, cpu_has

ENGINE_TESTS = Path(__file__).parent

# By our capability: that of torch, and the instruction set of oneDNN, which is OpenVINO's as well.
# Below AVX2, OpenVINO's own kernels would not go along with what its oneDNN is told.
CAPS = {
    'default': ('default', 'AVX2'),
    'avx2': ('avx2', 'AVX2'),
    'avx512': ('avx512', 'AVX512_CORE'),
    'avx512_bf16': ('avx512', 'AVX512_CORE_BF16'),
}
SCRIPT = """if True:
    import sys
    import pytest
    import torch
    from bisenet_ros.engine.hardware import cpu_capability

    print('runs with', cpu_capability(), torch.backends.cpu.get_cpu_capability().lower())
    sys.exit(pytest.main(['-x', '-q', '-p', 'no:cacheprovider', *sys.argv[1:]]))
"""


@pytest.mark.slow
@pytest.mark.parametrize('capability', CAPS)
def test_on_a_lesser_cpu_the_labels_are_the_same(capability: str) -> None:
    if not cpu_has(capability):
        pytest.skip(f'needs a CPU with {capability}')
    if capability == cpu_capability():
        pytest.skip('every other test runs so')
    torch_capability, instructions = CAPS[capability]
    tests = ('test_trained_labels.py', 'test_torch_engine.py::test_logits_are_those_of_the_network')
    result = subprocess.run(
        [sys.executable, '-c', SCRIPT, *(str(ENGINE_TESTS / test) for test in tests)],
        env={
            **os.environ,
            CAPABILITY_VARIABLE: capability,
            'ATEN_CPU_CAPABILITY': torch_capability,
            'ONEDNN_MAX_CPU_ISA': instructions,
            'BISENET_TEST_FRAMES': '30',
        },
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert f'runs with {capability} {torch_capability}' in result.stdout
