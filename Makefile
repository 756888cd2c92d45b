# `make demo` and `make test` do all set-up themselves; they need Python 3.11 to 3.14 with venv, and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.DELETE_ON_ERROR:
.PHONY: help demo test test-slow lint typecheck lab notebooks docs pretrain results benchmarks colab-stack newest-stack release env lock clean

help:  ## lists these commands; so does plain `make`
	@awk -F ':.*## ' '/^[a-z -]+:.*## /{ printf "  %-26s%s\n", $$1, $$2 }' Makefile

demo: $(VENV)/core.stamp  ## SFT -> reward model -> best-of-n and PPO, in minutes; writes demo/report.html
	$(BIN)/python -m rlhf_lesson demo --out demo

test: $(VENV)/test.stamp lint  ## lint and tests, a quarter of an hour on two cores
	$(BIN)/python -m rlhf_lesson test

test-slow: $(VENV)/test.stamp  ## whole chapters, unsolved and solved, real JupyterLab, and class runs that are killed
	$(BIN)/python -m rlhf_lesson course
	$(BIN)/python -m pytest -q -n 2 --dist worksteal --durations 20 -m slow $(ONLY)

lint: $(VENV)/test.stamp  ## style and formatting, a few seconds
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/deno fmt --check

typecheck: $(VENV)/test.stamp  ## types of the equations, data/, models/ and train/, half a minute
	$(BIN)/basedpyright --pythonpath $(BIN)/python

lab: $(VENV)/notebooks.stamp  ## JupyterLab; the first call trains the models that chapters start from, about three minutes
	$(BIN)/python -m rlhf_lesson lab

notebooks: $(VENV)/test.stamp  ## builds notebooks/, exercises/ and solutions/ from chapters/
	$(BIN)/python tools/build.py

docs: notebooks  ## rebuilds all generated files: the folders above, environment.yml, the pages in docs/, README's tree and numbers
	$(BIN)/python tools/sync_env.py
	$(BIN)/python tools/wrong_answers.py
	$(BIN)/python tools/checklist.py
	$(BIN)/python tools/api.py
	$(BIN)/python tools/architecture.py
	$(BIN)/python tools/sync_readme.py

pretrain: $(VENV)/core.stamp  ## trains the built-in base model again, about 25 minutes
	$(BIN)/python -m rlhf_lesson pretrain --out runs/pretrain

results: $(VENV)/test.stamp  ## measures the committed results again, over five seeds: hours on two cores
	$(BIN)/python benchmarks/reward_vs_bag_of_words.py --out benchmarks/results/reward.json
	$(BIN)/python benchmarks/chain_seeds.py --out benchmarks/results/chain.json
	for f in reader methods_at_equal_kl overoptimisation gallery pool ppo_runs iterate proxies chapters grade_class; do \
	  $(BIN)/python benchmarks/$$f.py || exit 1; done
	XLA_FLAGS=--xla_force_host_platform_device_count=8 $(BIN)/python benchmarks/chapters.py
	$(BIN)/python tools/sync_readme.py

benchmarks: $(VENV)/core.stamp  ## speed on one pinned core
	$(BIN)/python benchmarks/generate.py
	$(BIN)/python benchmarks/ppo_step.py

colab-stack newest-stack:  ## runs the chapters with Colab's package versions, or with the newest ones, in a separate environment
	$(PYTHON) -m venv .venv-$@
	.venv-$@/bin/python -m pip install -q -e ".[test]" \
	  $(if $(filter colab-stack,$@),-c constraints-colab.txt,--upgrade --upgrade-strategy eager)
	.venv-$@/bin/python -m rlhf_lesson data fetch
	.venv-$@/bin/python -m rlhf_lesson data fetch --model smollm2 || true
	.venv-$@/bin/python -m rlhf_lesson course
	.venv-$@/bin/python -m pytest -q -n 2 --dist worksteal tests/course/test_setup.py tests/course/test_notebooks.py $(ONLY)

release: $(VENV)/test.stamp  ## checks, tests, builds the wheel and makes the tag; pushes nothing
	$(BIN)/python tools/release.py

env:  ## writes environment.yml from pyproject.toml
	$(PYTHON) tools/sync_env.py

lock: $(VENV)/test.stamp  ## writes requirements.lock: the version and the hashes of every package
	$(BIN)/python tools/lock.py $(if $(UPGRADE),--upgrade)

clean:  ## removes the environments and the folders demo/ and runs/
	rm -rf $(VENV) .venv-colab-stack .venv-newest-stack demo runs

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' \
	  || { echo "$(PYTHON) is not Python 3.11 to 3.14: install one and run make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "$(PYTHON) has no venv module: install it (on Debian and Ubuntu the package python3-venv)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/core.stamp: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -e . && touch $@

$(VENV)/%.stamp: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -e ".[$*]" && touch $@ $(VENV)/core.stamp
