# Two commands on a fresh machine with Python 3.11+ and make: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
DEMO ?= demo
CORPUS := --corpus minispoof --root $(DEMO)/corpus
# Attacks that need nothing installed, so that the demo is the same everywhere.
ATTACKS := A01,A02,A04,A06,A07,A08,A09,A16,A19
# Folders of the compiled kernels.
NATIVE := $(addprefix src/moe_mamba_asv/models/,native aasist/native frontends/native scan/native)

.PHONY: help setup developer demo test check format site clean

help:
	@echo "make demo   install, then build a corpus, train, score, evaluate, diagnose and report in $(DEMO)/"
	@echo "make test   install, then run the tests"
	@echo "make check  formatting, types, import rules, dead code, known vulnerabilities"
	@echo "make site   the documentation as pages, in site/"
	@echo "make clean  remove what the other targets made"

setup: .venv/installed
developer: .venv/developer

.venv/installed: pyproject.toml constraints.txt $(wildcard $(NATIVE:=/*.[ch]))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is wanted, got " + sys.version)'
	$(PYTHON) -m venv .venv || { echo "Python cannot make a virtual environment; on Debian: apt install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[torch]'
	@touch $@

# What the tests and checks need besides.
.venv/developer: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: setup
	$(BIN)/mma corpus build minispoof --attacks $(ATTACKS) --out $(DEMO)/corpus
	$(BIN)/mma train lcnn-small $(CORPUS) --out $(DEMO)/run --resume
	$(BIN)/mma score $(CORPUS) --partition dev --model $(DEMO)/run --out $(DEMO)/run/dev.tsv
	$(BIN)/mma score $(CORPUS) --partition eval --model $(DEMO)/run --out $(DEMO)/run/eval.tsv
	$(BIN)/mma evaluate $(DEMO)/run/eval.tsv $(CORPUS) --out $(DEMO)/evaluation.json
	$(BIN)/mma diagnose $(DEMO)/run $(CORPUS) --clips 80
	$(BIN)/mma report $(DEMO)/run $(CORPUS) --lang both --out $(DEMO)/report
	@echo "The report: $(DEMO)/report/report.en.html ($(DEMO)/report/report.zh.html in Chinese)"

test: developer
	$(BIN)/pytest

check: developer
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/vulture
	$(BIN)/python deploy/audit.py

format: developer
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# What MkDocs would say is an advertisement of its successor.
site: developer
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf .venv $(DEMO) site $(NATIVE:=/*.so) build dist src/*.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
