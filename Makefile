# detente: two commands matter, `make demo` and `make test`. Everything installs into .venv/ at the top of the clone.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
FUZZ_S ?= 20
BIN := $(VENV)/bin
ORACLES := .venv-oracles
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps

.PHONY: help install demo check lint test fix bench fuzz soak docs oracles clean

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/demo.stamp: requirements/demo.txt requirements/model.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "detente needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing locked dependencies into $(VENV)/ (about 550 MB on disk, once)"
	@$(PIP) --require-hashes -r requirements/demo.txt
	@$(PIP) --require-hashes -r requirements/model.txt
	@$(PIP) --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/demo.stamp requirements/dev.txt
	@echo "installing linters and test tools into $(VENV)/"
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/kms.stamp: $(VENV)/demo.stamp requirements/kms.txt
	@echo "installing what speaks to HSMs and key services into $(VENV)/"
	@$(PIP) --require-hashes -r requirements/kms.txt
	@touch $@

$(VENV)/fuzz.stamp: $(VENV)/dev.stamp requirements/fuzz.txt
	@echo "installing the fuzzer into $(VENV)/"
	@$(PIP) --require-hashes -r requirements/fuzz.txt
	@touch $@

$(ORACLES)/stamp: requirements/demo.txt requirements/model.txt requirements/dev.txt requirements/ray.txt requirements/oracles-stats.txt requirements/oracles-sssom.txt requirements/parity.txt pyproject.toml
	@test -x $(ORACLES)/bin/python || $(PYTHON) -m venv $(ORACLES)
	@echo "installing what heavy tests stand on into $(ORACLES)/ (about 1.5 GB on disk, once)"
	@for lock in demo model dev ray oracles-stats oracles-sssom parity; do $(ORACLES)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes -r requirements/$$lock.txt; done
	@$(ORACLES)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

install: $(VENV)/demo.stamp ## make .venv/ with locked dependencies

demo: $(VENV)/demo.stamp ## two labs reach a joint result, and four lies are caught
	@$(BIN)/detente demo --out demo

lint: $(VENV)/dev.stamp
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

check: lint test ## linters, types and the whole test suite

test: $(VENV)/dev.stamp ## the whole test suite, on all cores
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

fix: $(VENV)/dev.stamp ## let the linter mend what it can
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: $(VENV)/dev.stamp ## timings as ratios within one run
	@for bench in benchmarks/bench_*.py; do echo "== $$bench"; $(BIN)/python $$bench; done

fuzz: $(VENV)/fuzz.stamp ## every parser for FUZZ_S seconds (20) on bytes that nobody would write
	@$(BIN)/python fuzz/fuzz.py --each $(FUZZ_S)

soak: $(VENV)/dev.stamp ## a run of 10,000 questions killed 200 times under faults, against a quiet one
	@DETENTE_SOAK_KILLS=200 DETENTE_SOAK_SLOTS=10000 $(BIN)/python -m pytest tests/run/test_run_crash.py -k killed_again -rP

oracles: $(ORACLES)/stamp ## tests with heavy environments: a real Ray cluster, sentence embeddings, statistics and the crosswalk beside other libraries
	@$(ORACLES)/bin/python -m pytest -m "ray or oracle"

docs: $(VENV)/dev.stamp ## write the generated reference pages again
	@$(BIN)/python docs/generate.py

clean: ## remove .venv/, .venv-oracles/ and demo/
	@rm -rf $(VENV) $(ORACLES) demo
