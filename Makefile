# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# From nothing to the main job, on a machine with Python 3.10 or newer (headers and
# venv included), gcc, g++ and make:
#
#   make demo                    a synthetic drive through the node on real ROS 2; report in out/demo
#   make demo SOURCE=clip.mp4    the same on a video, a folder of images, or a bag of your own
#   make test                    linters, types and the whole test suite
#   make docs                    docs/ as a site, in out/docs
#
# Each sets up .venv first. Where a ROS 2 is sourced it is used; otherwise its wheels are installed.
# pip's own settings (PIP_INDEX_URL and so on) apply.

SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin

# What an installation is made from. Modules are not: it is editable.
INSTALLED_FROM := pyproject.toml setup.py constraints.txt package.xml \
    $(wildcard build_support/*.py bisenet_ros/engine/*.[ch] config/* launch/* msg/* scripts/*)

# Set by the ROS 2 wheels for the Python of their own environment, which ours is not.
ifdef _ROS_WHEELS_BOOTSTRAP_COMPLETE
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE LD_LIBRARY_PATH
endif

ifdef ROS_DISTRO
ROS_SOURCED := $(shell $(PYTHON) -c 'import rclpy' 2> /dev/null && echo yes)
endif
ifneq ($(ROS_SOURCED),yes)
# The remains of a ROS 2 for another Python would get in the way of the wheels.
unexport PYTHONPATH AMENT_PREFIX_PATH
endif

.PHONY: demo test docs install clean

demo: .venv/installed
	$(BIN)/bisenet demo $(if $(SOURCE),--source '$(SOURCE)') --output out/demo

# Three files at a time: tests of ROS graphs wait more than they compute. Passive: threads of OpenMP that spin
# while they wait ruin each other. No restart: a new process would run the test again that ended the last one.
test: .venv/view
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	OMP_WAIT_POLICY=PASSIVE $(BIN)/pytest -n 3 --dist loadfile --max-worker-restart 0

docs: .venv/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

install: .venv/installed

# Rerun takes half a gigabyte, and needs another NumPy than ROS 2's packages: without it, its tests are skipped.
.venv/view: .venv/installed
ifneq ($(ROS_SOURCED),yes)
	$(BIN)/python -m pip install -q -c constraints.txt 'bisenet_ros[view]'
endif
	@touch $@

ifeq ($(ROS_SOURCED),yes)
# ROS 2's own Python modules are compiled for the NumPy of the system: that version is kept, and pip
# looks for an OpenCV that goes with it.
.venv/installed: $(INSTALLED_FROM)
	@echo 'Setting up .venv beside ROS 2 $(ROS_DISTRO): PyTorch, OpenCV, the messages ...'
	$(PYTHON) -m venv --system-site-packages .venv
	grep -vE '^(numpy|opencv)' constraints.txt > .venv/constraints.txt
	$(PYTHON) -c 'import numpy; print("numpy==" + numpy.__version__)' >> .venv/constraints.txt
	touch .venv/COLCON_IGNORE
	$(BIN)/python -m pip install -q 'setuptools>=77'
	$(BIN)/python -m pip install -q -c .venv/constraints.txt --no-build-isolation -e '.[tools,dev]'
else
.venv/installed: $(INSTALLED_FROM)
	@echo 'Setting up .venv: PyTorch, ROS 2, OpenCV, the messages ...'
	$(PYTHON) -m venv .venv
	touch .venv/COLCON_IGNORE
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[ros,tools,dev]'
endif
	@test -e bisenet_ros/msg/__init__.py || echo 'warning: the messages were not compiled, so the' \
	    'node runs without drivable_area and timing; `$(BIN)/pip install -v -e .` tells why' >&2
	@touch $@

# .venv stays: it takes longest to make, and `rm -r .venv` is quickly said.
clean:
	rm -rf build bisenet_ros.egg-info bisenet_ros/msg out .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	rm -f bisenet_ros/*.so bisenet_ros/engine/*.so .venv/installed .venv/view
