# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every test can rely on."""

from __future__ import annotations

import signal

# A shell that starts a job in the background lets it ignore SIGINT, and so all that it starts:
# tests that interrupt a process would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
