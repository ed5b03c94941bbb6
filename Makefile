# Two commands matter: `make demo` and `make test`. `make help` lists the rest.
# Each makes what it needs: the environments from locked requirements, the emulators from the Google Cloud CLI.

PYTHON ?= python3.11
RUN := .venv/bin/python
INPUTS := $(shell find layers functions infra emulators tests -name requirements.txt -not -path 'emulators/bigquery/*' 2>/dev/null | sort)
LOCK := .venv/bin/uv pip compile -q --no-header --no-emit-index-url --no-emit-find-links --python-version 3.11 --generate-hashes

.DEFAULT_GOAL := help
.PHONY: help setup demo test bench quick chaos fuzz privacy simulate evaluate check format up down plan golden register fidelity lock clean

help:  ## list every target
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.made .venv-bqemulator/.made  ## make both environments from the locked requirements

.venv/.made: requirements.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing; install Python 3.11 or say PYTHON=…"; exit 1; }
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install -q --disable-pip-version-check "uv>=0.8"
	.venv/bin/uv pip sync -q --python .venv/bin/python --require-hashes requirements.txt
	@touch $@

# bqemulator's dependencies contradict ours, so it lives apart.
.venv-bqemulator/.made: emulators/bigquery/requirements.txt .venv/.made
	$(PYTHON) -m venv --without-pip .venv-bqemulator
	.venv/bin/uv pip sync -q --python .venv-bqemulator/bin/python --require-hashes emulators/bigquery/requirements.txt
	@touch $@

demo: setup  ## the main job on real baskets, from a retailer's files to an erasure's receipt
	$(RUN) -m emulators.shop

test: setup  ## the whole suite, with the emulators
	$(RUN) -m pytest

bench: setup  ## what an event costs, beside what it is compared with; tests/bench/README.md says how to read it
	$(RUN) -m tests.bench

quick: setup  ## the tests that start no emulator
	$(RUN) -m pytest -m "not emulators and not stack"

chaos: setup  ## break everything under load, ten times each, and reconcile to the event; `make test` runs a short form
	$(RUN) -m tests.chaos
	$(RUN) -m tests.fuzz

fuzz: setup  ## bad input by the thousand against the event API; `make chaos` runs it too, `make test` a short form
	$(RUN) -m tests.fuzz

privacy: setup  ## erase 500 of 2 000 active shoppers, kill the erasure at every step, search every store's bytes
	$(RUN) -m tests.privacy

simulate: setup  ## judge policies off-line where the truth is known: bias, coverage; layers/experiments judges real ones
	$(RUN) -m layers.experiments simulate --json .simulate/trials.json

evaluate: setup  ## how good the predictions are on real baskets before and after CUT=2017-12-01; writes .evaluate/
	$(RUN) -m tests.evaluation --cut $(or $(CUT),2017-12-01)

check: setup  ## style, types, import rules
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	.venv/bin/lint-imports
	$(RUN) -m mypy .

format: setup  ## write the style that `check` asks for
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .

up: setup  ## start the stack on this laptop and leave it up
	$(RUN) -m emulators up

down: setup  ## stop it
	$(RUN) -m emulators down

plan: setup  ## what of the infrastructure the laptop applies, and what not
	$(RUN) -m emulators plan

golden: setup  ## renew the reviewed graphs of all stacks and infra's table; read the difference
	$(RUN) -m infra.capture.review

register: setup  ## renew the register of processing and the data map; `make golden` does so too
	$(RUN) -m infra.register --write infra/REGISTER.md

fidelity: setup  ## renew the README's table of what the laptop emulates
	$(RUN) -m emulators plan --write README.md

lock:  ## renew the locked requirements from the layers' own
	$(LOCK) $(INPUTS) -o requirements.txt
	$(LOCK) emulators/bigquery/requirements.in -o emulators/bigquery/requirements.txt

clean: down  ## stop the stack and remove what was made
	rm -rf .venv .venv-bqemulator .local .demo .simulate .evaluate .mypy_cache .ruff_cache .pytest_cache .hypothesis
