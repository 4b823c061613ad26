r"""What the publications print for the claims that we measure, as they print it: text, of other sets and larger networks.

S-TLLR: Apolinario and Roy 2025 (TMLR), Tables 2 and 3 and the table of optical flow.  TESS: Apolinario et al. 2025, whose
authors ran S-TLLR again.  Columns of accuracies are %, those of optical flow AEE in px between two grey frames.
"""

from typing import NamedTuple


class Printed(NamedTuple):
    """One table: what is printed about a claim."""

    columns: tuple  # names, after the first, which says where
    rows: tuple  # of texts: the set and the table, then one text a column, "" where nothing is printed
    unit: str = "%"  # of our numbers, and in words that of theirs where it is another


SIGNS = ("S-TLLR -1", "S-TLLR 0", "S-TLLR +1", "BPTT")
VISION = Printed(SIGNS, (
    ("DVS CIFAR10, VGG-9, Tables 2 and 3", "73.93 ± 0.62", "72.93 ± 0.94", "73.42 ± 0.50", "75.44 ± 0.76"),
    ("the same with a signal at all steps, Table 3", "75.6 ± 0.10", "74.8 ± 0.15", "", "75.44 ± 0.76"),
    ("the same, table of TESS: S-TLLR 75.14 ± 1.37, its alpha_post not said", "", "", "", "76.40 ± 0.66"),
    ("N-Caltech101, VGG-9, Table 2; BPTT of Table 3", "66.33 ± 0.86", "62.24 ± 1.22", "53.42 ± 1.50", "65.92 ± 0.82"),
))  # fmt: skip
GESTURES = Printed(SIGNS, (
    ("DVS Gesture, VGG-9, 30 epochs, Table 2", "95.07 ± 0.48", "94.61 ± 0.73", "94.01 ± 1.10", ""),
    ("the same, 300 epochs, Table 3", "97.72 ± 0.38", "", "", "95.58 ± 1.08"),
    ("the same, table of TESS: S-TLLR 98.48 ± 0.37, its alpha_post not said", "", "", "", "97.95 ± 0.68"),
))  # fmt: skip
AUDIO = Printed(SIGNS, (
    ("SHD, 450 recurrent neurons, Tables 2 and 3 (BPTT there has almost no leak)",
     "74.69 ± 0.47", "77.09 ± 0.33", "78.23 ± 1.84", "70.57 ± 0.96"),
))  # fmt: skip
FLOW = Printed(("S-TLLR -0.2", "S-TLLR 0", "S-TLLR +0.2", "BPTT", "zero flow"), (
    ("MVSEC, outdoor_day1", "0.50", "0.50", "0.54", "0.45", "1.08"),
    ("MVSEC, sum of four sequences", "3.45", "3.60", "3.69", "3.40", "6.38"),
), "px a step (published: px between two grey frames)")  # fmt: skip
FEEDBACK = Printed(("true error", "DFA"), (("SHD, S-TLLR +1, Table 3", "78.24 ± 1.84", "74.60 ± 0.52"),))
