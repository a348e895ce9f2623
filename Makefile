# netkin: `make run` makes the report, `make test` runs all tests. Nothing but Python
# 3.11 or 3.12 and make is needed; the rest is installed into .venv.

PYTHON ?= $(shell for p in python3.11 python3.12 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null \
	&& echo $$p && break; done)
CORES ?= all
# more arguments for snakemake, e.g. make run ARGS="--configfile config/mnist.yaml"
ARGS ?=
BIN := .venv/bin
READY := .venv/.ready

.PHONY: run plan fresh test cluster-test stress lint bench env format clean

run: env
	@$(BIN)/python workflow/check.py $(ARGS)
	$(BIN)/snakemake --cores $(CORES) --quiet rules host --report results/report.html --report-after-run $(ARGS)

# what a run would take, before it: jobs, core hours, memory, disk
plan: env
	$(BIN)/python workflow/plan.py $(ARGS)

# which results today's code and config would make otherwise, and why; status 1 if any
fresh: env
	$(BIN)/python workflow/fresh.py $(ARGS)

test: lint
	$(BIN)/python -m pytest -n 2 --dist worksteal --durations=15

# the workflow on a Slurm of its own on this machine; installs Debian's packages where missing
cluster-test: env
	$(BIN)/python -m pytest tests/cluster -n 2 --dist loadfile --durations=5

# damaged files and more for so many seconds, the same for the same seed;
# an hour: make stress SECONDS=3600 SEED=1
SECONDS ?= 90
SEED ?= 0
stress: env
	PYTHONPATH=src $(BIN)/python -m tests.stress --seconds $(SECONDS) --seed $(SEED)

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/mypy
	$(BIN)/snakemake --lint

format: env
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow/rules

# every figure of docs/performance.md, about an hour; `make run` first
bench: env
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/persistence.py
	$(BIN)/python benchmarks/distances.py
	$(BIN)/python benchmarks/measures.py
	$(BIN)/python benchmarks/measures_memory.py
	$(BIN)/python benchmarks/matching.py
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/dag.py
	$(BIN)/python benchmarks/equality.py

env: $(READY)

$(READY): envs/requirements.txt envs/constraints.txt
	@test -n "$(PYTHON)" || { echo "netkin needs Python 3.11 or 3.12; none was found." \
		"Name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--requirement envs/requirements.txt --constraint envs/constraints.txt
	touch $(READY)

clean:
	rm -rf results/* logs .snakemake
