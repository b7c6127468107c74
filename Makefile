# Everything a fresh machine needs is made here: a python3 of any age brings uv, uv brings the rest.
# `make help` lists the targets.

UV_VERSION := 0.13.9
PYTHONS := $(shell cat .python-version)
UV := .tools/bin/uv
BIN := .venv/bin
# One worker takes a whole file: the code blocks of a page share their names.
PYTEST := -m pytest -n 2 --dist loadfile
# Two workers have the two cores; threads of the linear algebra beside them would only wait for each other.
test-py312 test-py313 test-docs test-slow: export OPENBLAS_NUM_THREADS = 1
# Examples of the slow tests are fresh ones; `make test-slow SEED=…` repeats those of an earlier run.
SEED = $(shell od -An -N4 -tu4 /dev/urandom | tr -d " ")

# Neither an active environment nor a search path of the caller's may reach in.
unexport CONDA_PREFIX PYTHONHOME PYTHONPATH VIRTUAL_ENV
# uv trusts the certificates that the machine trusts, as pip and git do.
export UV_SYSTEM_CERTS ?= 1

.PHONY: help demo demo-winback test lint test-py312 test-py313 test-docs test-pages test-slow bench docs lock format clean
.NOTPARALLEL:

help:  ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' Makefile | expand -t 14

demo: .venv/.done  ## run the quickstart
	$(BIN)/python examples/quickstart.py

demo-winback: .venv/.done  ## run the example of winning customers back
	$(BIN)/python examples/winback.py

test: lint test-py312  ## lint, types, layers, then the tests on Python 3.12 (six minutes)

lint: .venv/.done  ## format, lint, types, layers
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy --num-workers 2
	$(BIN)/lint-imports

test-py312: .venv/.done  ## the tests that are not slow, on Python 3.12
	$(BIN)/python $(PYTEST) README.md src tests --ignore tests/test_examples.py

test-py313: .venv-3.13/.done  ## the same on Python 3.13
	.venv-3.13/bin/python $(PYTEST) README.md src tests --ignore tests/test_examples.py

test-docs: .venv/.done  ## the code in the pages of docs/, and the examples
	$(BIN)/python $(PYTEST) docs tests/test_examples.py

test-pages: .venv/.done  ## the pages in a real browser; where root may, it is installed with apt-get
	.ci/browser
	$(BIN)/python -m pytest -n 0 -m pages tests/test_pages.py

test-slow: .venv/.done  ## the tests that take longer, and fresh random examples for the others (two hours)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "slow or hypothesis" --hypothesis-profile fresh --hypothesis-seed $(SEED)

bench: .venv/.done  ## time and memory
	$(BIN)/python benchmarks/run.py

docs: .venv/.done  ## build the documentation into docs/_build; a warning is an error
	$(BIN)/sphinx-build -W --keep-going -n -E -q docs docs/_build

lock: .tools/uv-$(UV_VERSION)  ## renew requirements.lock after a change of pyproject.toml; delete it first to upgrade all
	$(UV) pip compile pyproject.toml --all-extras --group dev --universal --python-version $(firstword $(PYTHONS)) \
		--generate-hashes --custom-compile-command "make lock" --quiet --output-file requirements.lock

format: .venv/.done  ## format the code and apply the safe fixes
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

clean:  ## remove all that was made
	rm -rf .tools $(ENVS) .venv-peer-* benchmarks/.work .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis docs/_build dist

# Two environments, alike but for the Python: all from the lock, with the package itself editable on top.
ENVS := .venv .venv-3.13
.venv/.locked: PYTHON := $(word 1,$(PYTHONS))
.venv-3.13/.locked: PYTHON := $(word 2,$(PYTHONS))

$(ENVS:%=%/.done): %/.done: %/.locked pyproject.toml
	$(UV) pip install --quiet --python $(@D) --no-deps --no-build-isolation --editable .
	@touch $@

$(ENVS:%=%/.locked): %/.locked: requirements.lock .python-version | .tools/uv-$(UV_VERSION)
	$(UV) venv --quiet --clear --python $(PYTHON) $(@D)
	$(UV) pip sync --quiet --python $(@D) --require-hashes --compile-bytecode requirements.lock
	@touch $@

# Started from / because a pyenv shim would heed .python-version, and any Python will do here.
.tools/uv-$(UV_VERSION):
	cd / && python3 -m venv --clear "$(CURDIR)/.tools"
	.tools/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@
