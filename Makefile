# Everything from a fresh clone: `make study` and `make test` set up what they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# what an installation is made of
MADE_OF := pyproject.toml constraints.txt hatch_build.py src/clearprop/engines/kernels/compiled_update.c

.PHONY: help study mnist bench test test-bare bare soak soak-runs soak-estimator soak-diagnosis fuzz check format wheel clean

help:
	@echo "make study   run the study on the embedded digits; ends with the path of its report"
	@echo "make mnist   run the published study on MNIST (downloads 11 MB, or set CLEARPROP_DATA)"
	@echo "make bench   measure speed side by side with JAX, PyTorch and scikit-learn (long, best left alone)"
	@echo "make test    run the whole test suite"
	@echo "make test-bare PYTHON=python3.13"
	@echo "             run it on that Python, without PyTorch and the other extras"
	@echo "make soak    kill processes, fill disks, damage a million model files (about an hour)"
	@echo "make check   run the linters, the type checker and the import contracts"
	@echo "make format  format the code"
	@echo "make wheel   build the wheel into dist/"
	@echo "make clean   remove the environment and everything built"

study: $(VENV)/.user
	$(BIN)/clearprop study

mnist: $(VENV)/.user
	$(BIN)/clearprop study --data mnist

bench: $(VENV)/.bench
	$(BIN)/clearprop data get mnist
	$(BIN)/clearprop bench

test: $(VENV)/.developer
	$(BIN)/python -m pytest -n auto --dist worksteal

# without any extra, on a Python that may be another one: what needs an extra is skipped with the reason
test-bare:
	$(MAKE) bare VENV=.venv-bare-$$($(PYTHON) -c 'import platform; print(platform.python_version())')

bare: $(VENV)/.bare
	$(BIN)/python -m pytest -n auto --dist worksteal

# what takes too long for the test suite; each part is a prerequisite of its own
soak: soak-runs soak-estimator soak-diagnosis fuzz

soak-runs: $(VENV)/.developer
	$(BIN)/python tests/soak/kill_runs.py

soak-estimator: $(VENV)/.developer
	$(BIN)/python tests/soak/estimator_accuracy.py

soak-diagnosis: $(VENV)/.developer
	$(BIN)/python tests/soak/diagnosis_programs.py
	$(BIN)/python tests/soak/diagnosis_accuracy.py

fuzz: $(VENV)/.fuzz
	$(BIN)/python tests/fuzz/fuzz_model_files.py -runs=1000000

check: $(VENV)/.developer
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.developer
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: $(VENV)/.developer
	$(BIN)/python -m build --wheel

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Clearprop needs Python 3.11 or newer; name one with: make PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.user: $(MADE_OF) | $(VENV)/bin/python
	@echo "Installing Clearprop with the PyTorch engine into $(VENV) ..."
	$(PIP) install --constraint constraints.txt --editable ".[torch]"
	@touch $@

$(VENV)/.bench: $(MADE_OF) | $(VENV)/bin/python
	@echo "Installing Clearprop and the libraries it is measured against into $(VENV) ..."
	$(PIP) install --constraint constraints.txt --editable ".[bench]"
	@touch $@ $(VENV)/.user

$(VENV)/.developer: $(MADE_OF) | $(VENV)/bin/python
	@echo "Installing Clearprop and its development tools into $(VENV) ..."
	$(PIP) install --constraint constraints.txt --editable ".[torch,dev]"
	@touch $@ $(VENV)/.user

$(VENV)/.bare: $(MADE_OF) | $(VENV)/bin/python
	@echo "Installing Clearprop and what its suite needs into $(VENV) ..."
	$(PIP) install --constraint constraints.txt --editable ".[test]"
	@touch $@

$(VENV)/.fuzz: $(MADE_OF) | $(VENV)/bin/python
	@echo "Installing Clearprop, its development tools and atheris into $(VENV) ..."
	$(PIP) install --constraint constraints.txt --editable ".[torch,dev,fuzz]"
	@touch $@ $(VENV)/.developer $(VENV)/.user

clean:
	rm -rf $(VENV) .venv-bare-* dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -f src/clearprop/engines/kernels/compiled_update-*.so
