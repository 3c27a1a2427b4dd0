# `make demo` trains and evaluates a ResNeSt detector; `make test` runs every test, `make lint` the
# linter and the type checker. All set up .venv.
PYTHON ?= python3
BIN := .venv/bin
UV = VIRTUAL_ENV=.venv $(BIN)/uv
# Waiting threads sleep instead of spinning: other work on the machine then costs little.
export OMP_WAIT_POLICY ?= PASSIVE
# Python keeps what it compiles, also in a container that forbids it: tests start hundreds of
# processes, each of which would compile torch and the frameworks anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo demo-seg test matrix soak lint docs pages install lock clean

demo: install
	$(BIN)/python -m demo.detection --out results/demo

demo-seg: install
	$(BIN)/python -W ignore -m demo.segmentation --out results/demo-seg

# `make test`: two files at a time with a thread each; many tests start processes of their own. With
# COVERAGE=--cov it fails where fewer lines of the package run than pyproject.toml asks for.
test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(COVERAGE)

# The Triton kernels for every GPU, type, radix and layout at once, half an hour on two cores; every
# family of models in every format of files, ten minutes; tests that `make test` passes over as long;
# last, environments of other versions of Python, torch, numpy and the frameworks, an hour or two.
matrix: install
	RESNEST_DENSE_AHEAD=all RESNEST_DENSE_EXPORT=all $(BIN)/python -m pytest tests/ops/test_ahead.py \
		tests/exporting
	RESNEST_DENSE_LONG=1 $(BIN)/python -m pytest -m long
	$(BIN)/python -m benchmarks.matrix

# Training runs that are killed a hundred times, half an hour on two idle cores for each framework;
# long ones whose memory is watched, a quarter of an hour; then thousands of random networks, configs,
# checkpoints and data sets, another hour.
soak: install
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.reliability --kills 100
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.endurance
	RESNEST_DENSE_SOAK=20 OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/properties

lint: install
	$(BIN)/ruff check .
	$(BIN)/mypy

# The site, in build/site: without the network and without a warning. Notebooks run where they have
# changed; `make clean` forgets what they gave.
docs: install
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m sphinx -q -W --keep-going -c docs \
		-d build/doctrees . build/site
	@echo "docs: build/site/index.html"

# What of docs/ is made from the code, made anew.
pages: install
	for page in architecture config_keys family network patches; do \
		$(BIN)/python -W ignore -m docs.$$page || exit 1; done

install: .venv/installed

.venv/installed: Makefile requirements.lock requirements-nodeps.lock setup.py pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv==0.13.9
	$(UV) pip install --quiet --requirement requirements.lock
	# The wheel of detectron2 brings its tools as a package `tools`, which would hide a user's own folder
	# of that name: they go to .venv/detectron2_tools.
	site=$$($(BIN)/python -c "import sysconfig; print(sysconfig.get_paths()['purelib'])") && \
	$(UV) pip install --quiet --python-version 3.10 --only-binary :all: --no-deps --require-hashes \
		--reinstall-package sal-detectron2 --target "$$site" --requirement requirements-nodeps.lock && \
	rm -rf .venv/detectron2_tools && mv "$$site/tools" .venv/detectron2_tools
	$(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

lock:
	$(UV) pip compile --quiet --universal --python-version 3.10 --no-emit-index-url --no-annotate \
		--no-header --extra detectron2 --extra mmseg --extra serve --extra test --extra docs \
		setup.py requirements.in --output-file requirements.lock

clean:
	rm -rf .venv results output build dist *.egg-info
