# make demo and make test are all that a newcomer needs; each builds .venv first.
PYTHON ?= python3
SHELL := /bin/bash
BIN := .venv/bin

.PHONY: setup demo site page tables test lab outputs address bench faults clean

setup: .venv/.done
.venv/.done: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --progress-bar on -e ".[lab,faces,mp4,test]"
	touch $@

demo: setup  ## a first GAN on drawn faces, and the generators that come with it, in about ten minutes
	$(BIN)/python notebooks/run.py demo

site: setup  ## all notebooks, executed, and docs/ as a folder of pages: build/site/index.html
	$(BIN)/python docs/make_site.py

page: setup  ## a page on which anyone plays with the generators: build/page, for any static host
	$(BIN)/ganlib page stylegan-labels stylegan-fast build/page

# Two processes of one thread each: the networks of tests are so small that two threads hardly help them
test: setup  ## all tests, and every notebook in the smoke profile
	folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	  GANLIB_PROFILE=smoke GANLIB_DATA=$$folder OMP_NUM_THREADS=1 \
	  $(BIN)/python -m pytest -n 2 --nbval-lax --nbval-current-env --nbval-cell-timeout=300 \
	  --ignore=tests/faults tests notebooks

lab: setup build/lab/play/ganlib-page  ## JupyterLab on the notebooks, with the page to play on beside it
	@echo "Play in the browser: http://localhost:8888/static/play/index.html (or the port that stands below)"
	$(BIN)/jupyter lab --notebook-dir=notebooks --ServerApp.extra_static_paths="$(CURDIR)/build/lab"

# Without npm, or a connection, there is no page: JupyterLab starts all the same
build/lab/play/ganlib-page: .venv/.done
	-$(BIN)/ganlib page stylegan-labels stylegan-fast build/lab/play

outputs: setup  ## the outputs that the notebooks keep in git, made again
	$(BIN)/python .ci/outputs.py

# As it was typed, for neither make nor the shell to read anything into it
unexport URL
address:  ## this repository's address, written everywhere: make address URL=https://github.com/name/repository
	@$(PYTHON) .ci/address.py '$(subst ','\'',$(value URL))'

tables: setup  ## the tables of the README, of docs/ and of the gallery, written anew
	$(BIN)/python docs/tables.py

bench: setup  ## the measurements that docs/contributing.md quotes
	for file in tests/benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

faults: setup  ## kill a training again and again, and compare it with one that was left alone
	$(BIN)/python -m pytest tests/faults

clean:  ## what the targets above left behind, but for data/: packs, runs and exports stay
	rm -rf .venv build dist tests/output .pytest_cache .mypy_cache .ruff_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
