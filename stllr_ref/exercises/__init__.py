"""The exercises of the chapters: what each asks for, what people get wrong, and a check that says which of it happened."""

from stllr_ref.exercises.checking import Exercise, check, verdict
