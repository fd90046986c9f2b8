# Every target works as the first command on a fresh machine: what it needs is set up on the way.
#
#   SCALE=paper     a scale of config.yaml, in place of its default
#   SEEDS=3         how many seeds to train, in place of those of the scale
#   CORES=8         cores to use at most, in place of all
#   TARGETS=...     files or rules to make, in place of every figure
#   PYTHON=...      the interpreter that .venv is set up with, in place of python3

SHELL := bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

SCALE   ?=
SEEDS   ?=
CORES   ?= all
TARGETS ?=
DATASET ?=
PYTHON  ?= python3
export PYTHON

# Scripts find the package here; packages outside of the environments would take precedence over
# the pinned ones.
export PYTHONPATH := $(CURDIR)/workflow
unexport PYTHONHOME
export PYTHONNOUSERSITE := 1

# Jobs find their tools on PATH, and Snakemake keeps a cache, which a home folder may have no room for.
# Not exported: the set-up must see what the user has.
in_venv := PATH="$(CURDIR)/.venv/bin:$$PATH" XDG_CACHE_HOME="$(CURDIR)/.snakemake/cache"
# Values reach the shell as words and not as commands.
quote = '$(subst ','\'',$(1))'
scale_option = $(if $(SCALE),--scale $(call quote,$(SCALE)))
# What of config.yaml a run overrides.
configured = $(if $(SCALE)$(SEEDS),--config$(if $(SCALE), $(call quote,scale=$(SCALE)))$(if $(SEEDS), $(call quote,seeds=$(SEEDS))))
# Tests that get in each other's way are of one group. More processes than the fewest cores, since
# some wait.
side_by_side := --numprocesses 3 --dist loadgroup
targets = $(foreach target,$(TARGETS),$(call quote,$(target)))

# $(call need,target,VARIABLE,example): stop before any set-up where the target lacks its variable.
need = $(if $(filter $(1),$(MAKECMDGOALS)),$(if $($(2)),,$(error $(2) is missing, as in: make $(1) $(2)=$(3))))
$(call need,checksum,DATASET,MNIST)
$(call need,publish,SCALE,paper)

# Two runs of Snakemake would wait for each other's lock, and each takes all cores by itself.
.NOTPARALLEL:

.PHONY: help figures report own-model example test quick bench bench-gpu scaling status unlock lint checksum publish pages clean venv venv-keras

help: ## list the targets
	@echo "make TARGET [SCALE=paper] [SEEDS=3] [CORES=8] [TARGETS=figures/paper/fig03.png] [PYTHON=python3.12]"
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12 | sed 's/^/  /'

figures: venv ## make every figure of the paper at the default scale, or SCALE, or only TARGETS
	@$(in_venv) .venv/bin/snakemake $(targets) --cores $(call quote,$(CORES)) $(configured)

report: venv ## every figure at SCALE, and the verdicts, in one page: results/<scale>/report.html
	@$(in_venv) .venv/bin/snakemake report --cores $(call quote,$(CORES)) $(configured)

# Into .venv, beside its own packages, whose versions it is content with.
own-model: venv ## add Torch-Pruning to .venv, to prune a model of one's own: docs/own-model.md
	@env -u PIP_USER -u PIP_TARGET .venv/bin/python -m pip install -qq --no-input --no-cache-dir \
	    --disable-pip-version-check --no-deps --require-hashes --requirement requirements-own-model.lock

example: own-model ## prune torchvision's ResNet18 on CIFAR-10, in some minutes
	@$(in_venv) .venv/bin/snakemake results/data/CIFAR-10.safetensors --cores 1 --quiet all
	@$(in_venv) .venv/bin/python examples/own_model.py

test: venv ## run all tests; once the environment is set up, without a network
	$(in_venv) .venv/bin/pytest $(side_by_side)

quick: venv ## run the tests that take seconds each: all of them in one to five minutes
	$(in_venv) .venv/bin/pytest $(side_by_side) -m 'not slow'

bench: venv venv-keras ## compare the speed with Keras and plain PyTorch, side by side
	$(in_venv) .venv/bin/python -m benchmarks.run

bench-gpu: venv ## compare the speed of training on a GPU: stacked, one by one, plain PyTorch
	$(in_venv) .venv/bin/python -m benchmarks.gpu --output published/benchmarks/bench_gpu.json

scaling: venv ## work out what scale paper costs on 2 to 1,000 cores: docs/scaling.md
	$(in_venv) .venv/bin/python -m benchmarks.scaling

status: venv ## say how far the runs of a scale are
	@$(in_venv) .venv/bin/python workflow/scripts/show_status.py $(scale_option)$(if $(SEEDS), --seeds $(call quote,$(SEEDS)))

unlock: venv ## end the lock that a killed run has left on this folder
	@$(in_venv) .venv/bin/snakemake --unlock --quiet all

lint: venv ## check style, format and types of the code, and style and format of the workflow
	$(in_venv) .venv/bin/ruff check .
	$(in_venv) .venv/bin/ruff format --check .
	$(in_venv) .venv/bin/mypy
	$(in_venv) .venv/bin/snakefmt --check Snakefile workflow/rules
	$(in_venv) .venv/bin/snakemake --lint

checksum: venv ## print the sum of DATASET, to pin a data set of one's own in config.yaml
	@$(in_venv) .venv/bin/python workflow/scripts/prepare_dataset.py --checksum $(call quote,$(DATASET))

publish: venv ## put the finished jobs of SCALE into published/, and update figures and pages
	$(in_venv) .venv/bin/python workflow/scripts/publish_results.py $(scale_option)
	$(in_venv) .venv/bin/python workflow/scripts/update_pages.py

pages: venv ## write verdicts and pages of what is published: published/*/README.md, README.md
	$(in_venv) .venv/bin/python workflow/scripts/update_pages.py

# Results may have taken days, and .snakemake knows what code they were made with: both stay.
clean: ## remove the environments (7 GB) and caches; data, results and figures stay
	rm -rf .venv .venv-keras .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./.git -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

# Both end at once where the environment holds what its lock file says.
venv:
	@envs/create_venv.sh .venv requirements.lock 7 3

venv-keras:
	@envs/create_venv.sh .venv-keras benchmarks/requirements-keras.lock 2 1
