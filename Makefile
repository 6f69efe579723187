.DEFAULT_GOAL := help
.PHONY: help env env-test study report test lint lock clean

CORES ?= all
STUDY ?=
snakemake = .venv/bin/snakemake --cores $(CORES) $(if $(STUDY),--configfile $(STUDY))

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | \
	    awk -F ':.*## ' '{printf "make %-8s %s\n", $$1, $$2}'
	@echo "Options: STUDY=file.yaml (default config/config.yaml), CORES=2 (default all)"

env: ## set up the Python environment in .venv
	@envs/create.sh run

env-test:
	@envs/create.sh test

study: env ## run a study, or go on with one that was stopped
	@$(snakemake)

report: env ## write the study's report page, results/<study>/report.html
	@$(snakemake) --quiet all
	@$(snakemake) --report "results/$$(.venv/bin/python -c 'import sys, yaml; print(yaml.safe_load(open(sys.argv[1]))["study"])' $(or $(STUDY),config/config.yaml))/report.html"

lint: env-test ## format, lint and type checks
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/snakefmt --check --compact-diff Snakefile workflow
	.venv/bin/snakemake --lint
	.venv/bin/mypy

test: lint ## run all checks and tests
	.venv/bin/python -m pytest

lock: env-test ## renew the hash-pinned locks under envs/
	envs/lock.sh

clean: ## remove the environment and caches (results stay)
	rm -rf .venv .snakemake .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
