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

.PHONY: run plan fresh adopt test cluster-test stress numbers wheel lint bench env lock format clean

run: env
	@$(BIN)/python workflow/check.py $(ARGS)
	$(BIN)/snakemake --cores $(CORES) --quiet rules host $(ARGS); \
	$(BIN)/python workflow/report.py $$? $(ARGS)

# what a run would take, before it: jobs, core hours, memory, disk
plan: env
	$(BIN)/python workflow/plan.py $(ARGS)

# which results today's code and config would make otherwise, and why; status 1 if any
fresh: env
	$(BIN)/python workflow/fresh.py $(ARGS)

# take over the networks of an older netkin: make adopt FROM=../older/results
adopt: env
	$(BIN)/python workflow/adopt.py "$(FROM)" $(ARGS)

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

# the largest errors of representational measures against 50 digits, for docs/measures.md
numbers: env
	PYTHONPATH=src $(BIN)/python -m tests.stress.numbers --cases 300 --seed $(SEED)

# sdist and wheel, and netkin from the wheel in an empty environment outside the checkout
wheel: env
	rm -rf dist build
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python tests/wheel.py dist

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
	$(BIN)/python benchmarks/training_law.py
	$(BIN)/python benchmarks/persistence.py
	$(BIN)/python benchmarks/distances.py
	$(BIN)/python benchmarks/measures.py
	$(BIN)/python benchmarks/measures_memory.py
	$(BIN)/python benchmarks/matching.py
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/compare.py
	$(BIN)/python benchmarks/dag.py
	$(BIN)/python benchmarks/graphs.py
	$(BIN)/python benchmarks/books.py
	$(BIN)/python benchmarks/large.py
	$(BIN)/python benchmarks/many.py --matrix --study
	$(BIN)/python benchmarks/equality.py

env: $(READY)

$(READY): envs/requirements.txt envs/constraints.txt envs/giotto.txt envs/models.txt
	@test -n "$(PYTHON)" || { echo "netkin needs Python 3.11 or 3.12; none was found." \
		"Name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--requirement envs/requirements.txt --constraint envs/constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--requirement envs/giotto.txt --requirement envs/models.txt
	touch $(READY)

# envs/constraints.txt anew, after an edit of requirements.txt, giotto.txt or models.txt: the
# versions that pip takes today, in an environment of their own
lock:
	rm -rf .lock && $(PYTHON) -m venv .lock
	.lock/bin/pip install --quiet --requirement envs/requirements.txt
	.lock/bin/pip install --quiet --no-deps --requirement envs/giotto.txt \
		--requirement envs/models.txt
	{ echo "# Every package of a tested environment (Python 3.11), so that an installation" \
		"repeats; by make lock."; \
		.lock/bin/pip freeze | sed 's/+cpu$$//'; } > .lock/constraints.txt
	mv .lock/constraints.txt envs/constraints.txt
	rm -rf .lock

clean:
	rm -rf results/* logs .snakemake
