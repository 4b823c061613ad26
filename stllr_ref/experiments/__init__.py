"""Experiments: the paper's applications scaled down; an experiment is run(settings, seed) -> Result, picklable both ways."""
