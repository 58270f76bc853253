# Every target does its own set-up: `make run` and `make test` work on a fresh clone.
# Set-up is remembered by stamps inside the folders it fills, so a second run starts at once.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
PYTHON_FILES := pyproject.toml requirements/run.txt
ARGS ?=

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/.run ## set up and start the demo on http://127.0.0.1:8400
	@.venv/bin/safeconduct demo $(ARGS)

test: setup ## set up and run everything: style, types, layers, and all tests on both stores
	@$(MAKE) static
	.venv/bin/pytest -n 2 --dist loadfile $(ARGS)

check: .venv/.dev static ## style, types and layers, then the tests that need nothing else
	.venv/bin/pytest -q tests/core $(ARGS)

static: .venv/.dev
	.venv/bin/ruff check src clients/python tests bench scripts/reference scripts/screenshots
	.venv/bin/ruff format --check --quiet src clients/python tests bench scripts/reference scripts/screenshots
	.venv/bin/mypy
	.venv/bin/lint-imports

judges: setup .build/judges/.stamp tests/judges/node_modules/.stamp ## run the judges that take their time: MCP's conformance suite, Go's and Apache's clients
	@scripts/need go apache
	.venv/bin/pytest -q tests/judges -o python_files='judge_*.py' $(ARGS)

conformance: .venv/.dev ## run the OpenID conformance suite that answers at SUITE=https://…
	@[ -n "$(SUITE)" ] || { echo "make conformance SUITE=https://… (see docs/conformance-suite.md)"; exit 2; }
	.venv/bin/python scripts/conformance $(SUITE) $(ARGS)

contracts: setup ## hold every surface to its contract for longer than `make test` does
	CONTRACT_EXAMPLES=100 .venv/bin/pytest -q --timeout 3600 -k schemathesis tests/web/compat $(ARGS)

bench: .venv/.dev bench/peer/node_modules/.stamp bench/django_peer/.venv/.stamp ## measure, side by side with two peers; JSON and a plot in bench/results (see also bench.connections, bench.lists, bench.translation, bench.documents)
	@scripts/need postgres
	.venv/bin/python -m bench $(ARGS)

chaos: .venv/.dev ## 100,000 refreshes under SIGKILL and database restarts, and a verdict; ARGS=--help for more
	@scripts/need postgres
	.venv/bin/python -m tests.chaos $(ARGS)

catalog-test: .venv/.dev ## every catalogue entry against its simulator: connect, refresh, revoke, connect again
	CATALOG_TEST=all .venv/bin/pytest -q -n 2 tests/catalog $(ARGS)

docs: .venv/.dev ## write docs/reference from the code
	.venv/bin/python scripts/reference

conformance-report: .venv/.dev ## run all tests and write .build/conformance.md with the outcome of each clause
	.venv/bin/pytest -q -p tests.conformance.plugin --conformance .build/conformance.md

screenshots: .venv/.dev ## take the README's pictures from the real demo
	@scripts/need chromium
	.venv/bin/python scripts/screenshots

setup: .venv/.dev tests/js/node_modules/.stamp ## all of the set-up and nothing else
	@scripts/need postgres chromium curl softhsm

lock: .venv/.dev ## pin the dependencies anew after a change of pyproject.toml or requirements/*.in
	scripts/lock $(ARGS)

clean: ## remove what the targets made: virtual environment, packages, caches
	rm -rf .venv .build tests/js/node_modules bench/peer/node_modules bench/django_peer/.venv tests/.artifacts bench/results \
	    .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.venv/.run: $(PYTHON_FILES) scripts/need
	@scripts/need python
	@scripts/python-env run

.venv/.dev: requirements/dev.txt .venv/.run
	@scripts/python-env dev

.build/judges/.stamp: requirements/judges.txt .venv/.dev
	.venv/bin/python -m venv .build/judges
	.build/judges/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r $<
	@touch $@

bench/django_peer/.venv/.stamp: bench/django_peer/requirements.txt
	@scripts/need python
	$${PYTHON:-python3} -m venv bench/django_peer/.venv
	bench/django_peer/.venv/bin/pip install -q --require-hashes -r $<
	@touch $@

%/node_modules/.stamp: %/package-lock.json
	@scripts/need node
	cd $* && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

.PHONY: help run test check conformance-report static judges conformance contracts bench chaos catalog-test docs screenshots setup lock clean catalog-test
