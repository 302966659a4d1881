# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0

# `make demo` and `make test` set up all they need in .venv, on a machine without ROS: Python 3.11 to
# 3.13, g++ and cmake. The project is linked into .venv, so an edit needs no second set-up.
# `make install-ros` builds on an installed and sourced ROS 2 Jazzy instead.

PYTHON ?= python3
TORCH := torch==2.13.0
# Another index of wheels for torch, e.g. https://download.pytorch.org/whl/cu130
TORCH_INDEX ?=
EXTRAS ?= model,relay,sim,train,test
ARGS ?=

# Process tests share processors with whatever else runs. One which fails is run once more, and named.
REPEAT ?= --reruns 1 -rR

MSGS := ros2_ws/src/lingbot_msgs
MSGS_SOURCES := $(wildcard $(MSGS)/CMakeLists.txt $(MSGS)/p* $(MSGS)/msg/* $(MSGS)/action/*)
PIP := .venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check
EDITABLE := --config-settings editable_mode=compat --editable
IN_VENV := PATH="$(CURDIR)/.venv/bin:$$PATH"

# Packages are installed without compiling them, which saves a minute; the first import does it.
unexport PYTHONDONTWRITEBYTECODE

ON_ROS := $(wildcard .venv/on-ros)
ifeq ($(ON_ROS)$(filter install-ros,$(MAKECMDGOALS)),)
# A sourced ROS would be mixed with the wheels' libraries, so the recipes do not see it. The wheels'
# own guard goes with LD_LIBRARY_PATH: one without the other breaks them.
unexport PYTHONPATH PYTHONHOME LD_LIBRARY_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE CMAKE_PREFIX_PATH \
  COLCON_PREFIX_PATH ROS_DISTRO ROS_VERSION ROS_PYTHON_VERSION ROS_PACKAGE_PATH RMW_IMPLEMENTATION \
  PKG_CONFIG_PATH
export AMENT_PREFIX_PATH := $(CURDIR)/.venv
READY := .venv/project.done
RUN := $(IN_VENV)
else
READY := sourced-ros
RUN := . .venv/ros/local_setup.sh && $(IN_VENV)
endif

.PHONY: help demo test faults bench lint format setup install-ros sourced-ros environment clean
.DEFAULT_GOAL := help

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' Makefile
	@echo 'Variables: PYTHON (python3), TORCH_INDEX (an index of torch wheels), ARGS (for demo and test)'

demo: $(READY)  ## Run the demonstration in simulation
	@$(RUN) lingbot demo $(ARGS)

test: lint  ## Run the linter and all tests
	@$(RUN) python tests/vendor_msgs/install.py
	@$(RUN) OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile $(REPEAT) $(ARGS)

faults: $(READY)  ## Run the fault matrix and write docs/fault_matrix.md
	@$(RUN) python tests/vendor_msgs/install.py
	@$(RUN) OMP_NUM_THREADS=1 python -m tests.faults.table $(ARGS)

bench: $(READY)  ## Measure on this machine's CPU: the model, how exact it is, gate, server, commands
	@$(RUN) python -m benchmarks.inference --size mid --paths model,eager,compiled $(ARGS)
	@$(RUN) python -m benchmarks.numerics --size mid --paths eager --seeds 2
	@$(RUN) python -m benchmarks.control
	@$(RUN) python -m benchmarks.jitter

lint: $(READY)  ## Check style and format
	@$(RUN) ruff check --quiet .
	@$(RUN) ruff format --quiet --check .

format: $(READY)  ## Sort the imports and format all files
	@$(RUN) ruff check --quiet --select I --fix .
	@$(RUN) ruff format --quiet .

setup: $(READY)  ## Only set up .venv

environment:  ## Show the variables which the recipes see
	@env | LC_ALL=C sort

clean:  ## Remove .venv and all build products
	@rm -rf .venv build install log ros2_ws/build ros2_ws/install ros2_ws/log *.egg-info .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Set-up from wheels. Each stamp is touched when its step is complete, so the second call does nothing.

comma := ,
define need
@$(1) >/dev/null 2>&1 || { echo 'make: $(strip $(2))' >&2; exit 1; }
endef

.venv/bin/python:
	$(call need,command -v $(PYTHON),$(PYTHON) is missing: sudo apt install python3)
	$(call need,$(PYTHON) -c 'import sys; exit(not (3, 11) <= sys.version_info < (3, 14))', \
	  Python 3.11 to 3.13 is needed: sudo apt install python3.12 and use make PYTHON=python3.12)
	$(call need,$(PYTHON) -c 'import ensurepip','venv' is missing: sudo apt install python3-venv)
	$(call need,$(PYTHON) -c 'import os.path as p$(comma) sysconfig as s; \
	  exit(not p.exists(p.join(s.get_path("include"), "Python.h")))', \
	  Python.h is missing: sudo apt install python3-dev)
	$(call need,command -v g++,g++ is missing: sudo apt install g++)
	$(call need,command -v cmake,cmake is missing: sudo apt install cmake)
	$(call need,test "$$(uname -m)" = x86_64, \
	  the ROS wheels are for x86_64 only: install ROS 2 Jazzy and run make install-ros)
	@echo 'make: setting up .venv (once; some minutes)'
	@$(PYTHON) -m venv .venv

.venv/packages.done: constraints.txt setup.py setup.cfg $(MSGS)/pyproject.toml | .venv/bin/python
	@echo 'make: installing Python packages'
	@$(PIP) -c constraints.txt --upgrade pip setuptools
	@index='$(TORCH_INDEX)'; if [ -z "$$index" ] && $(plain_torch_is_cuda); then \
	  index=https://download.pytorch.org/whl/cpu; fi; \
	  $(PIP) --no-deps $(TORCH) $${index:+--index-url "$$index"}
	@$(IN_VENV) $(PIP) -c constraints.txt --no-build-isolation $(EDITABLE) '.[all]' \
	  $$(.venv/bin/python -c $(msgs_build_requires))
	@touch $@

# True on a machine without an NVIDIA GPU whose default index would bring the CUDA build, 3 GB of it.
plain_torch_is_cuda = ! command -v nvidia-smi >/dev/null && ! $(PIP) --dry-run --no-deps \
  --ignore-installed --report - $(TORCH) | grep -q '"version": "[0-9.]*+cpu"'

msgs_build_requires = 'import tomllib; \
  requires = tomllib.load(open("$(MSGS)/pyproject.toml", "rb"))["build-system"]["requires"]; \
  print(*requires)'

.venv/msgs.done: $(MSGS_SOURCES) | .venv/packages.done
	@echo 'make: building lingbot_msgs'
	@$(IN_VENV) $(PIP) --no-build-isolation --no-deps --force-reinstall ./$(MSGS)
	@touch $@

# What colcon would install, as links: launch files and executables are found, edits count at once.
.venv/project.done: .venv/packages.done .venv/msgs.done
	@$(call link,.venv)
	@touch $@

link = mkdir -p $(1)/lib $(1)/share/lingbot_policy $(1)/share/ament_index/resource_index/packages \
  && ln -sfn "$(CURDIR)/scripts" $(1)/lib/lingbot_policy \
  && ln -sfn "$(CURDIR)/launch" "$(CURDIR)/robot_configs" "$(CURDIR)/package.xml" \
     $(1)/share/lingbot_policy/ \
  && ln -sfn "$(CURDIR)/resource/lingbot_policy" $(1)/share/ament_index/resource_index/packages/

# Set-up on a sourced ROS: its rclpy, launch_ros and numpy, found through --system-site-packages.

install-ros: sourced-ros  ## Set up .venv on the sourced ROS 2 Jazzy, without wheels of ROS
	$(call need,test ! -d .venv -o -e .venv/on-ros,.venv holds the wheels of ROS: run make clean first)
	$(call need,command -v colcon,colcon is missing: sudo apt install python3-colcon-common-extensions)
	@$(PYTHON) -m venv --system-site-packages .venv
	@grep -vE '^(#|colcon|empy|numpy|opencv|ros-|scipy|setuptools)' constraints.txt >.venv/constraints.txt
	@printf 'numpy<2\nopencv-python-headless<4.12\n' >>.venv/constraints.txt
	@$(if $(findstring model,$(EXTRAS)),$(PIP) --no-deps $(TORCH) $(TORCH_INDEX:%=--index-url %))
	@$(PIP) -c .venv/constraints.txt $(EDITABLE) '.$(EXTRAS:%=[%])'
	@colcon --log-base .venv/log build --base-paths $(MSGS) --build-base .venv/build \
	  --install-base .venv/ros --merge-install --cmake-args -DBUILD_TESTING=OFF
	@$(call link,.venv/ros)
	@touch .venv/on-ros

sourced-ros:
	$(call need,test -n "$$AMENT_PREFIX_PATH" -a "$$ROS_DISTRO" = jazzy, \
	  no ROS 2 Jazzy is sourced: run . /opt/ros/jazzy/setup.bash first)
