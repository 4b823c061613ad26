"""The pages of the repository: their code, who executes it, and the tables that come from the library.

A page is a Markdown file, or the text of a notebook.  `EXECUTED` says of every fenced block of a page who executes it, or
holds it against what is executed; `test_pages.py` asserts that no block is missing there.  `python tests/pages.py` prints the
tables of chapters/family.md.
"""

import json
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stllr_ref.experiments.family import FAMILY

ROOT = Path(__file__).parents[1]
MADE = ("runs", "site", "build", "dist")  # folders that commands write; those with a dot are left out, too
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    language: str  # of the fence; none where output or a drawing is shown
    begins: str
    by: str  # a test, or a step of .ci/run


CI = ".ci/run: the README's shell commands"
OWN = "test_readme.py::test_my_arrays_are_learned_saved_loaded_and_predicted_in_12_lines"
PLUG = "test_readme.py::test_a_rule_and_a_psi_of_mine_take_15_lines_and_teach_something"
REFEREE = "test_is_my_implementation_right.py::test_every_block_prints_what_the_page_shows"
TORCH = "test_is_my_implementation_right.py::test_the_pytorch_layer_is_accepted_and_prints_what_the_page_shows"

EXECUTED = {
    "README.md": [
        Block("sh", "python3 -m venv .venv", CI),
        Block("sh", ".venv/bin/python -m stllr_ref cost --paper", CI),
        Block("python", "import numpy as np", "test_readme.py::test_the_example_is_alive_and_learns"),
        Block("", "0.W       engine", "test_readme.py::test_the_example_prints_what_the_readme_shows"),
        Block("", "1  u[t]", "test_readme.py::test_the_step_box_is_the_one_of_the_code"),
    ],
    "benchmarks/README.md": [
        Block("sh", "make bench JSON=race.json", "test_pages.py::test_a_command_of_a_page_is_one_that_its_program_takes"),
    ],
    "chapters/family.md": [
        Block("", "digits 0.W", "test_pages.py::test_the_cosines_of_the_family_stand_as_the_study_prints_them"),
    ],
    "chapters/is_my_implementation_right.md": [
        Block("python", "import numpy as np", REFEREE),
        Block("", "[True, True,", REFEREE),
        Block("", "u[t]      =", "test_is_my_implementation_right.py::test_the_step_of_the_page_is_that_of_the_right_answers"),
        Block("python", "import torch", TORCH),
        Block("", "float64 True", TORCH),
        Block("python", "def late(c):", REFEREE),
        Block("", "rejected: dW", REFEREE),
        Block("python", "print(verdict(made, {", REFEREE),
        Block("", "rejected: u: got shape", REFEREE),
        Block("sh", "python -m stllr_ref check mine.py:mine", REFEREE),
        Block("", "layer       accepted", REFEREE),
        Block("sh", "python -m stllr_ref vectors case.npz", REFEREE),
        Block("", "case.npz: dense", REFEREE),
        Block("python", 'with np.load("case.npz") as file:', REFEREE),
        Block("sh", "python -m stllr_ref check --case case.npz", REFEREE),
        Block("", "accepted: dW", REFEREE),
    ],
    "chapters/your_own.md": [
        Block("python", "import numpy as np", OWN),
        Block("python", "from stllr_ref import LIF, OTTT", OWN),
        Block("", "python -m stllr_ref run speech --data DIR", "test_networks.py::test_the_command_that_the_page_shows_runs"),
        Block("python", "from stllr_ref import SLTT", PLUG),
    ],
}
WRITTEN = ("tests/mutation.md",)  # whole pages that a command writes, with nothing in them to execute


def pages():
    """Return the path of every page below ROOT, as text: the Markdown files, then the notebooks."""
    found = [path.relative_to(ROOT) for suffix in ("md", "ipynb") for path in sorted(ROOT.rglob(f"*.{suffix}"))]
    return [path.as_posix() for path in found if not any(part.startswith(".") or part in MADE for part in path.parts)]


def read(page):
    """Return the text of a page; of a notebook that of its text cells."""
    text = (ROOT / page).read_text(encoding="utf-8")
    if not page.endswith(".ipynb"):
        return text
    return "\n\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown")


def blocks(text):
    """Return (language, code) of every fenced block of a page."""
    return [(language, code) for _, language, code in FENCE.findall(text)]


def inline(text):
    """Return what stands between backticks in a page, outside its blocks."""
    return [" ".join(code.split()) for code in re.findall(r"(?<!`)`([^`]+)`(?!`)", FENCE.sub("", text))]


def statements(box, reset="soft", post_trace="code"):
    """Return the lines of a box of equations, [t] for the step, as Python statements for one neuron; a box may name the other resets, too."""
    lines = []
    for line in box.splitlines():
        left, sign, right = re.fullmatch(r"(?:\d  )?(\S+) +(\+?=) (.*)", line).groups()
        right, _, aside = re.sub(r" {3,}", "   ", right).partition("   ")
        others = dict(re.findall(r"\b(hard|none) (gamma\S*(?: - \S+\))?)(?:,|$)", aside))
        if reset in others:
            right = re.sub(r"^gamma\*\(.*?\)", others[reset], right)
        if traces := re.fullmatch(r'(.*) \("code"\), (.*) \("paper"\)', right):
            right = traces[1 if post_trace == "code" else 2]
        right = re.sub(r"1 where (.*), strictly", r"float(\1)", right)
        right = re.sub(r"\(\+ (.*?)\)( |$)", r"+ \1\2", right).replace("W x[t]", "W @ x[t]").replace("V y[t-1]", "V * y[t-1]")
        lines.append(f"{left} {sign} {right.replace(' (x) ', ' * ')}")
    return lines


def computed(lines, inside, **names):
    """Run statements for one neuron with inputs x [T, N], learning where inside [T]; return their names, arrays of T + 1 steps."""
    T, N = names["x"].shape
    series = {name: np.zeros(T + 1) for name in ("u", "y", "psi", "past", "tr_psi")}  # [-1], before the first step, stays 0
    names = {**names, **series, "tr_x": np.zeros((T + 1, N)), "e": np.zeros((T + 1, N)), "dW": np.zeros(N)}
    for names["t"] in range(T):
        for line in lines:
            if inside[names["t"]] or not line.startswith("dW "):
                exec(line, names)
    return names


def family_table():
    """Return the family as a Markdown table, a row a member."""
    head = "| `--rules` | change of a hidden weight at a step of the window | source |\n| --- | --- | --- |\n"
    return head + "\n".join(f"| {name} | {m.update.replace('|', '&#124;')} | {m.source} |" for name, m in FAMILY.items())


def family_differences():
    """Return a Markdown list of what differs from the sources."""
    return "\n".join(f"- {name}: {m.differs}." for name, m in FAMILY.items() if m.differs)


if __name__ == "__main__":
    print(family_table(), family_differences(), sep="\n\n")
