# make demo | test | extras | fuzz | chapters | figures; each first installs what it needs into $(VENV).

PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python

# Small matrix products are slower on two BLAS threads than on one; NumPy reads this when it starts.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1

.PHONY: demo test extras fuzz chapters figures

demo: $(VENV)/installed
	$(RUN) -m stllr_ref

test: $(VENV)/installed
	$(RUN) -m pytest -m "not chapters"

extras: $(VENV)/installed
	$(RUN) -m pip install -qq --disable-pip-version-check -e ".[bench,aedat,dev]"
	$(RUN) -m pytest -m torch
	$(RUN) -m pytest tests/test_recorded.py tests/test_recorded_properties.py tests/test_recordings.py tests/test_fuzz.py tests/test_malformed.py

fuzz: $(VENV)/installed
	$(RUN) -m pip install -qq --disable-pip-version-check -e ".[aedat,dev]"
	$(RUN) tests/fuzz.py

chapters: $(VENV)/installed
	$(RUN) chapters/build.py --check

figures: $(VENV)/installed
	$(RUN) -m figures.make_all

$(VENV)/installed: requirements.txt pyproject.toml
	@echo "installing requirements.txt into $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install -qq --disable-pip-version-check -r requirements.txt
	@touch $@
