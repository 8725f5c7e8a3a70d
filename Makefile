# Sapa. Two commands matter: `make demo` and `make test`. Both work on a bare machine.
PYTHON ?= python3
TORCH  ?= torch==2.13.0
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
DEMO_DB := data/processed/demo.duckdb
DEMO_CALL := q-701-77026662043-20260910-115231-1789023151.21102.wav

.PHONY: demo test check bench bench-logs bench-diarize bench-rescore models clean help setup

help:            ## this list
	@sed -n 's/^\([a-z-]*\):.*## */\1\t/p' $(MAKEFILE_LIST) | expand -t 16

$(STAMP): pyproject.toml constraints.txt
	@echo "==> virtual environment in $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "==> torch first (pinned: an unpinned torch pulls several GB)"
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on -c constraints.txt "$(TORCH)"
	@echo "==> the other packages"
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on -c constraints.txt -e '.[dev,duckdb-extensions]'
	$(BIN)/sapa doctor --repair
	@touch $@

setup: $(STAMP)  ## virtual environment with the pinned packages

models: $(STAMP) ## fetch and verify the default models
	@$(BIN)/sapa models fetch

demo: models     ## run on data/samples and show what an analyst looks at first
	$(BIN)/sapa run data/samples --db $(DEMO_DB)
	$(BIN)/sapa logs --cdr data/samples/logs/cdr.csv --queue-log data/samples/logs/queue_log --queues data/samples/logs/queues.toml --db $(DEMO_DB)
	@$(BIN)/sapa show --db $(DEMO_DB)
	@$(BIN)/sapa show $(DEMO_CALL) --db $(DEMO_DB)

check: $(STAMP)  ## lint, types and fast tests (no model needed)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q -m "not slow"

test: models     ## every test, with real models on real audio
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q

bench: models    ## speed of every stage, and of both recognisers in the same run
	@$(BIN)/python -m tests.bench

bench-diarize: models ## our diarization beside the stock pipeline: errors, speed, memory
	@$(BIN)/python -m tests.bench_diarize

bench-rescore: models ## 10,000 stored calls scored again after an edit of a card
	@$(BIN)/python -m tests.bench_rescore

bench-logs: $(STAMP) ## rows per second and memory of sapa logs at 1 and 10 million lines
	@$(BIN)/python -m tests.bench_logs

clean:           ## forget results; keeps the environment and the models
	rm -rf data/processed data/interim
