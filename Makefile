# Each target makes its own environment in .venv; only Python >= 3.11 (and npm for `make web`) is needed.
PYTHON ?= python3
BIN := .venv/bin
BENCHMARKS ?= inference layers rewrite large_pictures border files library training pipeline start delegate_gpu
WORKDIR ?= runs/fsrcnn_x3
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: train test test-all lint resolve bench release web clean

train: .venv/installed
	$(BIN)/python train.py --recipe=sample --workdir=$(WORKDIR)

# As many processes as cores, four at most, as each takes some 2 GB; the tests of a file share what they have made.
test: .venv/installed-test
	$(BIN)/python -m pytest -m "not slow" -n logical --maxprocesses=4 --dist=loadfile $(PYTEST_FLAGS)

# Four on two cores: of the slow tier's time more than a third is waiting for programs that it starts.
test-all: .venv/installed-test .venv-jax/installed .venv-beam/installed
	$(BIN)/python -m pytest -m slow -n 4 --dist=loadfile $(PYTEST_FLAGS)

lint: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Whether the oldest and the newest of what setup.py allows go together, by the package index; installs nothing.
resolve: .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check setuptools
	$(BIN)/python .ci/resolve.py

bench: .venv/installed-bench .venv-beam/installed
	for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$name --json=runs/bench/$$name.json || exit 1; done

# Packages, archives, sums and notes in dist/, built, checked and tried; uploads nothing.
release: .venv/installed-test
	$(INSTALL) -e ".[release]"
	$(BIN)/python -m releasing.release

web: web/shaders/made
	cd web && npm ci --no-audit --no-fund && npm run serve

web/shaders/made: .venv/installed $(wildcard export/shaders/*.py zoo/presets/*.h5)
	$(BIN)/python -m releasing.shaders --format=wgsl --output=web/shaders
	touch $@

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Expected Python >= 3.11. Received: " + sys.version)'
	$(PYTHON) -m venv .venv

.venv/installed: setup.py constraints.txt .venv/bin/python
	$(INSTALL) -e .
	touch $@

.venv/installed-test: .venv/installed
	$(INSTALL) -e ".[test,video,plots,notebook]"
	touch $@

# Layers, models, rewriting and the training engine for accelerators, without TensorFlow. Of PyTorch the processor's
# build is enough; without one at hand pip fetches the GPU's, several GB.
.venv-jax/installed: setup.py constraints.txt
	$(PYTHON) -m venv .venv-jax
	.venv-jax/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt keras "jax[cpu]" \
		torch numpy absl-py pillow scikit-image tifffile rich
	.venv-jax/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

# Upscaling as an Apache Beam pipeline, in an environment of its own (constraints-beam.txt says why).
.venv-beam/installed: setup.py constraints-beam.txt
	$(PYTHON) -m venv .venv-beam
	.venv-beam/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-beam.txt \
		apache-beam ai-edge-litert numpy pillow tifffile rich
	.venv-beam/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

.venv/installed-bench: .venv/installed-test
	$(INSTALL) -e ".[bench]"
	touch $@

clean:
	rm -rf .venv .venv-jax .venv-beam build dist *.egg-info web/node_modules
