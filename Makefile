.DEFAULT_GOAL := help
.PHONY: help env env-test cores study example plan protocol csv paper verify report \
    provenance-report \
    check test lint bench bench-scale \
    lock mutants docs clean

CORES ?= all
STUDY ?= config/config.yaml
COUNT ?= 150
SEED ?= 1
AMEND ?= no
# The shell reads them as variables: a file's name may have spaces and quotes.
export CORES STUDY COUNT SEED AMEND
snakemake = .venv/bin/python -m snakemake --cores "$$CORES" --configfile "$$STUDY"
# Checks a study file and prints the study's name.
check = PYTHONPATH=scripts .venv/bin/python -m summands.study "$$STUDY"

options = CORES STUDY COUNT SEED AMEND
given = $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
unknown = $(filter-out $(options),$(given))
ifneq ($(unknown),)
$(error summands: unknown option: $(unknown); known here: $(options))
endif

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | \
	    awk -F ':.*## ' '{printf "make %-18s %s\n", $$1, $$2}'
	@echo "Options: STUDY=file.yaml (default config/config.yaml), CORES=2 (default all)"
	@echo "Option of protocol: AMEND=yes (default no)"
	@echo "Options of mutants: COUNT=40 (default 150), SEED=7 (default 1)"

env: ## set up the Python environment in .venv
	@envs/create.sh run

env-test:
	@envs/create.sh test

cores:
	@case "$$CORES" in all) ;; ''|*[!0-9]*|0*) \
	    echo "summands: CORES=$$CORES is neither a number from 1 on nor all" >&2; \
	    exit 2 ;; esac

study: cores env ## run a study, or go on with one that was stopped
	@$(check) >/dev/null
	@$(snakemake)

example: ## take a table of silicon wafers apart, as an example
	@$(MAKE) --no-print-directory study STUDY=config/studies/silicon_wafers.yaml

plan: cores env ## say how many rows a study's targets take, and verify it
	@PYTHONPATH=scripts .venv/bin/python -m summands.study.rows "$$STUDY"
	@if PYTHONPATH=scripts .venv/bin/python -m summands.study.rows --verifies \
	    "$$STUDY"; then $(snakemake); fi

protocol: env ## write what a study asks, before it runs, results/<study>/protocol.md
	@case "$$AMEND" in yes) amend=--amend ;; no) amend= ;; *) \
	    echo "summands: AMEND=$$AMEND is neither yes nor no" >&2; exit 2 ;; esac; \
	PYTHONPATH=scripts .venv/bin/python -m summands.report.protocol "$$STUDY" $$amend

csv: env ## write a study's tables as CSV, results/<study>/csv/
	@PYTHONPATH=scripts .venv/bin/python -m summands.study.csv_tables "$$STUDY"

paper: env ## write its tables for LaTeX and Markdown, its figures as PDF
	@PYTHONPATH=scripts .venv/bin/python -m summands.report.paper "$$STUDY"

verify: env ## check that a study's files are as they were written
	@PYTHONPATH=scripts .venv/bin/python -m summands.study.verify "$$STUDY"

report: study ## run a study, and say where its page is: results/<study>/report.html
	@echo "results/$$($(check))/report.html"

provenance-report: study ## write Snakemake's own report of how each file was made
	@$(snakemake) --report "results/$$($(check))/provenance.html"
	@echo "results/$$($(check))/provenance.html"

lint: env-test ## format, lint and type checks
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/snakefmt --check --compact-diff Snakefile workflow
	.venv/bin/snakemake --lint
	.venv/bin/mypy

# Two files of tests at once, in the order of tests/conftest.py. What tests of several
# files share is made once for both processes.
# Two processes on two cores leave none for BLAS's own threads, which would wait for them.
pytest = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 .venv/bin/python -m pytest -n 2 \
    --dist loadfile --no-loadscope-reorder --durations 10

check: lint ## lint, types and the quick tests: two minutes
	$(pytest) tests/unit -m "not slow"

test: lint ## run all checks and tests (takes some 14 minutes)
	$(pytest)

mutants: env-test ## break the library at COUNT random places: do the tests notice?
	.venv/bin/python -m tests.mutants --count "$$COUNT" --seed "$$SEED"

bench: ## compare with other samplers; writes results/bench/ (takes some 20 minutes)
	@envs/create.sh bench
	PYTHONPATH=scripts .venv/bin/python -m benchmarks.bench

bench-scale: env ## measure time and memory of large studies (takes some 15 minutes)
	PYTHONPATH=scripts .venv/bin/python -m benchmarks.bench_scale

docs: env ## renew the pages that are generated from the code
	PYTHONPATH=scripts .venv/bin/python -m summands.report.reference

lock: env-test ## renew the hash-pinned locks under envs/
	envs/lock.sh

clean: ## remove the environment and caches (results stay)
	rm -rf .venv .snakemake .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
