"""Put what the race and the scaling measured into README.md, as tables between its markers.

python benchmarks/report.py [--race FILE.json] [--scaling FILE.csv]
"""

import argparse
import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import scaling  # noqa: E402

README = Path(__file__).with_name("README.md")


def between(page, name, body):
    """Return the page with body, and nothing else, between <!-- name --> and <!-- /name -->."""
    pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
    page, found = re.subn(pattern, lambda marks: f"{marks[1]}\n{body}\n\n{marks[2]}", page, flags=re.DOTALL)
    if found != 1:
        raise ValueError(f"page: got {found} places between <!-- {name} --> and <!-- /{name} -->, expected 1")
    return page


def markdown(head, rows):
    """Return a table of a list of strings and a list of such lists; numbers stand right."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def race_table(measured):
    """Return what `race.py --json` wrote as Markdown: a row a pair, threads beside each other."""
    rows, machine = measured["ratios"], measured["machine"]
    threads = sorted({row["threads"] for row in rows})
    pairs = {}
    for row in rows:
        pairs.setdefault((row["name"], row["B"], row["T"]), {})[row["threads"]] = row
    head = ["ours / theirs", "B", "T"]
    for n in threads:
        head += [f"{n} thread{'s' if n > 1 else ''}: ours, s", "theirs, s", "ratio"]
    lines = []
    for (name, B, T), seen in pairs.items():
        line = [name, "" if B is None else str(B), str(T)]
        for n in threads:
            found = seen.get(n)
            line += [f"{found['ours_s']:.4f}", f"{found['theirs_s']:.4f}", f"{found['ratio']:.2f}"] if found else [""] * 3
        lines.append(line)
    torch = f", PyTorch {machine['torch']}" if machine["torch"] else ""
    where = f"{machine['processor']}, {machine['cores']} cores; Python {machine['python']}, NumPy {machine['numpy']}{torch}"
    medians = " or ".join(str(n) for n in sorted({row["repeats"] for row in rows}))
    return f"{where}; BLAS: {', '.join(machine['blas'])}. Medians of {medians}.\n\n{markdown(head, lines)}"


def scaling_table(rows):
    """Return the rows of scaling.csv as Markdown: smallest and largest size, and the exponent; the figure below."""
    names = list(scaling.ALGORITHMS)
    head = ["", *[f"{name}, {unit}" for unit in ("s", "MB") for name in names]]
    lines = []
    for kind in scaling.kinds(rows):
        curves = [scaling.curve(rows, kind, name, what) for what in ("seconds", "peak_bytes") for name in names]
        for i in (0, -1):
            cells = [f"{values[i]:.4f}" for _, values in curves[:2]] + [f"{values[i] / scaling.MB:.2f}" for _, values in curves[2:]]
            lines.append([f"{scaling.WHAT[kind]} = {curves[0][0][i]}", *cells])
        lines.append([f"exponent of {scaling.SYMBOL[kind]}", *[f"{scaling.exponent(*pair):.2f}" for pair in curves]])
    short, long, _ = scaling.a_step(rows, names[0])
    grown = " and ".join(f"{scaling.a_step(rows, name)[2]:.0f} bytes to that of {name}" for name in names)
    picture = "![Time and memory of S-TLLR and BPTT against steps, batch and width, log-log](scaling.svg)"
    return f"{markdown(head, lines)}\n\nBetween {short} and {long} steps each step adds to the peak: {grown}.\n\n{picture}"


def main(argv=None):
    """Rewrite the tables that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--race", metavar="FILE.json", help="what race.py --json wrote")
    parser.add_argument("--scaling", metavar="FILE.csv", help="what scaling.py --csv wrote")
    parser.add_argument("--readme", metavar="FILE.md", default=README, help="the page (default: README.md beside this file)")
    args = parser.parse_args(argv)
    page = Path(args.readme).read_text(encoding="utf-8")
    if args.race:
        page = between(page, "race", race_table(json.loads(Path(args.race).read_text(encoding="utf-8"))))
    if args.scaling:
        page = between(page, "scaling", scaling_table(scaling.read(args.scaling)))
    Path(args.readme).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
