# Homeward. `make demo` shows it, `make test` tests it; both install what they need first. For GNU and BSD make.
# PYTHON=/path/to/python3.12 picks the interpreter that .venv is made with; else the first one that is 3.11 or newer.

ARGS = --speed 60
PYTEST_ARGS =
BIN = .venv/bin

help:
	@echo 'make demo       four simulated wearers on a map   (ARGS="--speed max --until 24h --headless --json day.json")'
	@echo 'make test       all tests but the slow ones       (PYTEST_ARGS="-k zone")'
	@echo 'make test-slow  the slow ones'
	@echo 'make suite      what the field asks, measured over 20 seeds each: a table, and suite.json'
	@echo 'make lint       ruff, pyright (host and firmware), import-linter'
	@echo 'make bench      what it can do: a table, and bench.json'
	@echo 'make install    the set-up alone: .venv'
	@echo 'make clean      away with .venv, caches and builds; runs are kept'

install: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt tools/install.sh
	@sh tools/install.sh .venv '$(PYTHON)'
	@touch $@

demo: .venv/.installed
	@$(BIN)/homeward sim run scenarios/demo.yaml $(ARGS)

test: .venv/.installed
	$(BIN)/pytest -n 2 --dist loadfile -m 'not slow' --durations=12 $(PYTEST_ARGS)

test-slow: .venv/.installed
	$(BIN)/pytest -n 2 --dist loadfile -m slow --durations=12 $(PYTEST_ARGS)

suite: .venv/.installed
	$(BIN)/homeward sim suite --json suite.json

lint: .venv/.installed build/typings/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/pyright -p pyrightconfig.firmware.json
	$(BIN)/lint-imports

# Stubs of MicroPython's modules on the ESP32. They shadow the standard library's, so they live apart from .venv.
build/typings/.installed: .venv/.installed constraints.txt
	@rm -rf build/typings
	$(BIN)/python -m pip install -q --no-deps --target build/typings -c constraints.txt micropython-esp32-stubs micropython-stdlib-stubs
	@touch $@

bench: .venv/.installed
	$(BIN)/homeward bench

clean:
	rm -rf .venv build .pytest_cache .ruff_cache .hypothesis .import_linter_cache .grimp_cache homeward.egg-info bench.json suite.json
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help install demo test test-slow suite lint bench clean
