# esep: `make demo` shows it, `make test` proves it. Needs Python 3.11 or newer, git and make; everything else is set up.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := POLARS_MAX_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest
PROPERTIES = -k "not test_style" $(shell grep -rl --include="*.py" "@given\|RuleBasedStateMachine" tests)
STAMP := $(VENV)/.ready
# Where it is set, each of the hundreds of processes of a test run would compile the whole tree for itself.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup demo up down test test-long check properties parity planted safeguards roles chaos chaos-client bench bench-receipts bench-store bench-backtest bench-scaling bench-poll bench-commit bench-steady load pages cookbook golden conformance-java conformance-jdbc lock clean

help:  ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP)  ## Make the environment in .venv with the esep command in it

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("esep needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null 2>&1 || true  # pip would on one core; some templates fail
	@touch $@

demo: setup  ## Run the whole line on real bets and check the books
	$(BIN)/esep demo

up: setup  ## Start the line on this machine and stay (stop with make down)
	$(BIN)/esep up --detach

down:  ## Stop what make up started
	$(BIN)/esep down

test: setup  ## The tests, checks of style and types included; properties on a quarter of their examples
	ESEP_EXAMPLES=0.25 $(PYTEST) -n 4 -m "not long"

test-long: setup  ## The other tests: pages, upgrades, restores, whole lines under each setting; all examples of the properties
	$(PYTEST) -n 4 -m long
	$(PYTEST) -n 4 -m "not long and not stack" $(PROPERTIES)

properties: setup  ## The properties alone, each on ten times as many examples as in make test-long
	ESEP_EXAMPLES=10 $(BIN)/python -m pytest -n 2 $(PROPERTIES)

IDS ?=
safeguards: setup  ## Take out what upholds each guarantee, one at a time: its tests must fail (IDS="STAMP TOKEN" for some)
	POLARS_MAX_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.safeguards $(IDS)

parity: setup  ## Stream, SQL and brute force over 10,000 generated histories, with all rules
	ESEP_EXAMPLES=128 POLARS_MAX_THREADS=1 $(BIN)/python -m pytest -n 0 tests/sinks/clickhouse/alerts/test_rule_sql.py

planted: setup  ## Schemes planted in a month: which rules find which, and what they raise on the rest (writes docs/planted-schemes.md)
	COLUMNS=150 POLARS_MAX_THREADS=1 $(BIN)/python -m tests.planted

roles: setup  ## Try everything forbidden as every role in ClickHouse, and what the audit log costs an insert
	POLARS_MAX_THREADS=1 $(BIN)/python -m tests.roles

SEEDS ?= 1
chaos: setup  ## Let every part fail under load, at every step, then compare every row (SEEDS="1 2 3", ESEP_CHAOS_EVENTS, _S)
	COLUMNS=150 $(BIN)/python -m tests.chaos $(SEEDS)

chaos-client: setup  ## Kill an organizer's client for two minutes while the broker comes and goes
	ESEP_CHAOS_S=120 $(BIN)/python -m pytest tests/integration/test_client_chaos.py

check: setup  ## Style and types only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup  ## Events per second of each stage beside plain Faust, in one run
	$(BIN)/python -m bench

bench-receipts: setup  ## What receipts cost intake with 10, 1,000 and 100,000 streams
	$(BIN)/python -m bench.receipts

bench-store: setup  ## What analysts wait for, with 1 and 10 million postings (or ROWS="… 100000000")
	COLUMNS=150 $(BIN)/python -m bench.store $(ROWS)

bench-backtest: setup  ## What all rules take over history, with 1 million postings (or ROWS="1000000 10000000")
	COLUMNS=150 $(BIN)/python -m bench.backtest $(ROWS)

bench-scaling: setup  ## How stages grow with persons, organizers, partitions and workers
	$(BIN)/python -m bench.scaling

bench-poll: setup  ## What one small poll takes each stage of processor time
	$(BIN)/python -m bench.poll

bench-commit: setup  ## What a transaction takes by the number of partitions that it writes to
	$(BIN)/python -m bench.commit

bench-steady: setup  ## Delays to queryable and to alert at a steady rate, before and after kill -9 (ESEP_STEADY_RATE, _S, …)
	$(BIN)/python -m bench.steady

load: setup  ## A million simulated events and 200,000 damaged ones, every verdict compared (ESEP_LOAD_EVENTS, _FUZZ)
	$(BIN)/python -m bench.load

pages: setup  ## Write the pages that are made from declarations
	$(BIN)/python -m docs.generate

cookbook: setup  ## Draw the pictures of docs/cookbook.md anew, from a simulation
	$(BIN)/python -m docs.cookbook

golden: setup  ## Write the golden records and vectors for clients in other languages
	$(BIN)/python -m conformance

conformance-java: setup  ## Read the golden files with Apache's own Java libraries (needs Java 17 and Maven)
	mvn --batch-mode --quiet --file conformance/java/pom.xml compile exec:java -Dexec.args="$(CURDIR)"
	ESEP_JAVA=all $(BIN)/python -m pytest tests/conformance/test_java.py

conformance-jdbc: setup  ## Ask the embedded server through ClickHouse's JDBC driver (needs Java 17 and Maven)
	$(BIN)/python -m conformance.connect

lock: setup  ## Write requirements.lock anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --extra dev --no-header --output-file requirements.lock pyproject.toml build-requirements.in

clean:  ## Remove the environment and all that was built
	rm -rf $(VENV) build conformance/java/target conformance/jdbc/target *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
