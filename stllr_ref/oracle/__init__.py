"""The judge of an S-TLLR written elsewhere: is it right, and if not, what slipped (chapters/is_my_implementation_right.md)."""

from stllr_ref.oracle.cases import case, expected, load, read, save
from stllr_ref.oracle.judgement import Verdict, judge, verdict
