# make demo   venv, install, and the whole flow on sample photos
# make test   venv, install, and the test suite (under ten minutes on two cores)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-heavy lint clean

$(VENV)/installed: setup.cfg constraints.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "openfaceplus needs Python 3.11 or newer"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	touch $@

demo: $(VENV)/installed
	$(BIN)/openfaceplus demo

lint: $(VENV)/installed-test
	$(BIN)/ruff check .

test: lint
	$(BIN)/python -m pytest -m 'not heavy' -n auto

test-heavy: $(VENV)/installed-test
	$(BIN)/python -m pytest -m heavy

clean:
	rm -rf $(VENV) build dist *.egg-info demo-output
