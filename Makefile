# make demo | test | shuffled [SEED=N] | extras | fuzz | chapters | figures [FORMAT=svg|png|pdf] [OUT=DIR] | mutants | scaling;
# make site [OUT=DIR] [SOLUTIONS=no]; each first installs what it needs into $(VENV).
# make lowest [PYTHON=python3.10]: every test on the lowest versions that requirements.txt admits, in .venv-lowest.
# make bench [JSON=FILE] [PYTHON=...]: so does the race; with PYTHON, that interpreter runs it as it is.

PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python

# Small matrix products are slower on two BLAS threads than on one; NumPy reads this when it starts.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1

.PHONY: demo test shuffled lowest extras fuzz chapters figures mutants site bench bench-installed scaling

demo: $(VENV)/installed
	$(RUN) -m stllr_ref

test: $(VENV)/installed
	$(RUN) -m pytest -m "not chapters"

shuffled: $(VENV)/installed
	$(RUN) -m pip install -qq --disable-pip-version-check -e ".[dev]"
	$(RUN) -m pytest -m "not chapters" -p randomly -n 2 $(if $(SEED),--randomly-seed=$(SEED))

lowest:
	$(PYTHON) -m venv --clear .venv-lowest
	sed 's/>=/==/' requirements.txt > .venv-lowest/requirements.txt
	.venv-lowest/bin/python -m pip install -qq --disable-pip-version-check -r .venv-lowest/requirements.txt
	.venv-lowest/bin/python -m pytest -m "not chapters"

extras: $(VENV)/installed
	$(RUN) -m pip install -qq --disable-pip-version-check -e ".[bench,aedat,dask,site,dev]"
	$(RUN) -m ruff check .
	$(RUN) -m pytest -m torch
	$(RUN) -m pytest tests/test_recorded.py tests/test_recorded_properties.py tests/test_recordings.py tests/test_fuzz.py tests/test_malformed.py tests/test_networks.py
	$(RUN) -m pytest tests/test_sweep.py -k "dask or scheduler"
	$(RUN) -m pytest tests/test_website.py

fuzz: $(VENV)/installed
	$(RUN) -m pip install -qq --disable-pip-version-check -e ".[aedat,dev]"
	$(RUN) tests/fuzz.py
	$(RUN) tests/fuzz_networks.py

chapters: $(VENV)/installed
	$(RUN) chapters/build.py --check

figures: $(VENV)/installed
	$(RUN) -m figures.make_all $(if $(FORMAT),--format $(FORMAT)) $(if $(OUT),--out "$(OUT)")

mutants: $(VENV)/installed
	$(RUN) -m pip install -qq --disable-pip-version-check -e ".[dev]"
	$(RUN) tests/mutation.py

site: $(VENV)/installed
	$(RUN) -m pip install -qq --disable-pip-version-check -e ".[site]"
	$(RUN) chapters/website.py $(if $(OUT),--out "$(OUT)") $(if $(filter no,$(SOLUTIONS)),--without-solutions)

# What is timed runs on the BLAS kernel of the machine's own, whatever the environment asks for.
OWN_KERNEL := env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE

ifeq ($(origin PYTHON),command line)
bench: RACER := $(PYTHON)
else
bench: RACER := $(RUN)
bench: bench-installed
endif
bench:
	$(OWN_KERNEL) OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2 $(RACER) benchmarks/race.py $(if $(JSON),--json "$(JSON)")

bench-installed: $(VENV)/installed
	$(RUN) -m pip install -qq --disable-pip-version-check -e ".[bench]"

scaling: $(VENV)/installed
	$(OWN_KERNEL) $(RUN) benchmarks/scaling.py --csv benchmarks/scaling.csv --figure benchmarks/scaling.svg

$(VENV)/installed: requirements.txt pyproject.toml
	@echo "installing requirements.txt into $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install -qq --disable-pip-version-check -r requirements.txt
	@touch $@
