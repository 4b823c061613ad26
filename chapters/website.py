"""Render chapters and pages as static HTML, to put on any web server: `python chapters/website.py [--out site]`, or `make site`.

A notebook is shown as it was executed, nothing runs here; the answer to a prediction is folded until the reader opens it.
Formulas become MathML, which browsers draw without a script; source files that a page points to become pages too.
So the folder is complete: nothing in it is loaded from elsewhere.
"""

import argparse
import base64
import html
import importlib.util
import os
import posixpath
import re
import shutil
import sys
from pathlib import Path

os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")  # jupyter_core warns on import where this is not set

import nbformat
from nbconvert.filters.markdown_mistune import markdown2html_mistune
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer, guess_lexer_for_filename
from pygments.util import ClassNotFound

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("chapters/*.md", "RESULTS.md", "README.md", "benchmarks/README.md", "results/README.md")
SHOWN = (".ipynb", ".md")  # what becomes a page of its own; pictures are copied, other files shown as source
COPIED = (".svg", ".png", ".gif", ".csv", ".npz")
CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)
FORMULA = re.compile(r"\$\$(.+?)\$\$|\$(\S(?:[^$\n]*?\S)?)\$", re.DOTALL)
TAG, WORD = re.compile(r"(<[^>]*>)"), re.compile(r"formula\d+formula")
HEADING = re.compile(r'(?:(?<=<h[1-6] id=")|(?<=class="anchor-link" href="#))[^"]*')
LINK = re.compile(r'\b(href|src)="([^"#:]+)(#[^"]*)?"')
IMAGE = re.compile(r'<img\b[^>]*\bsrc="([^"]+)"[^>]*>')
SECTION = re.compile(r"^#{2,} +(.*)$", re.MULTILINE)  # a heading inside a chapter; the one before a prediction begins with Predict
SOLUTION = re.compile(r"\bSolutions?: \[.*$", re.MULTILINE)
WITHHELD = ("chapters/solutions/", "stllr_ref/exercises/", "chapters/lecturers.md")  # from a site without solutions
HOME = "stllr_ref: contents"  # what every page calls the first one: it tells a site of ours from anything else
STYLE = """
body { max-width: 46rem; margin: 0 auto; padding: 1rem; font: 16px/1.55 system-ui, sans-serif; color: #222; overflow-wrap: break-word; }
img { max-width: 100%; height: auto; }
pre { overflow-x: auto; padding: .6rem .8rem; background: #f6f6f6; border-radius: 4px; font-size: 13.5px; line-height: 1.4; }
.output pre { background: none; border-left: 3px solid #0072B2; border-radius: 0; }
code { font-size: .92em; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top; }
math[display="block"] { display: block; overflow-x: auto; overflow-y: hidden; margin: .8rem 0; padding: .2rem 0; }
nav { font-size: 14px; margin-bottom: 1rem; display: flex; gap: 1.2rem; flex-wrap: wrap; }
.anchor-link { display: none; }
summary { cursor: pointer; margin: .8rem 0; padding: .4rem .8rem; background: #eef4f9; border-radius: 4px; }
a { color: #0060a0; }
"""


def formulas(text):
    """Return Markdown with a word in the place of each formula, code left alone, and word -> formula as MathML."""
    from latex2mathml.converter import convert

    found = {}

    def one(match):
        """Return the word for one formula."""
        block, inline = match.groups()
        word = f"formula{len(found)}formula"
        found[word] = convert(" ".join((block or inline).split()), display="block" if block else "inline")
        return word

    parts = CODE.split(text)
    return "".join(part if i % 2 else FORMULA.sub(one, part) for i, part in enumerate(parts)), found


def target(path):
    """Return where a file of the repository goes in the site: a relative path as text."""
    if path.suffix in SHOWN:
        return path.with_suffix(".html").as_posix()
    return path.as_posix() if path.suffix in COPIED else path.as_posix() + ".html"


class Site:
    """The site while it is made: a folder, what it holds back, and the files that its pages point to."""

    def __init__(self, out, withheld=()):
        self.out, self.withheld, self.wanted = Path(out), withheld, []

    def page(self, path, title, body, beside=()):
        """Write the page of a file of the repository (a path below ROOT), with links to those beside it; what it links to is wanted too."""

        def link(match):
            """Return a link that leads to the same file in the site."""
            kind, there, place = match.groups()
            file = Path(posixpath.normpath((path.parent / there).as_posix()))
            if file.as_posix().startswith(self.withheld):
                return ""  # its words stay, and lead nowhere
            if not (ROOT / file).is_file():
                return match[0]
            self.wanted.append(file)
            return f'{kind}="{posixpath.relpath(target(file), path.parent.as_posix())}{place or ""}"'

        body = LINK.sub(link, IMAGE.sub(r'<a href="\1">\g<0></a>', body))  # a picture leads to itself, where it can be made larger
        home = posixpath.relpath("index.html", path.parent.as_posix())
        links = "".join(f' <a href="{target(other).split("/")[-1]}">{html.escape(name(other))}</a>' for other in beside)
        styles = STYLE + HtmlFormatter().get_style_defs(".highlight")
        self.write(
            target(path),
            f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n'
            f"<title>{html.escape(title)}</title>\n<style>{styles}</style>\n</head>\n<body>\n"
            f'<nav><a href="{home}">{HOME}</a>{links}</nav>\n{body}\n</body>\n</html>\n',
        )

    def write(self, name, text):
        """Write a file of the site."""
        file = self.out / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def notebook(self, path):
        """Write the page of a chapter."""
        every = chapters()
        beside = [every[i] for i in (every.index(path) - 1, every.index(path) + 1) if 0 <= i < len(every)]
        cells, pictures = _read(path).cells, path.with_suffix("")
        if self.withheld:
            for cell in cells:
                cell.source = SOLUTION.sub("", cell.source)
        self.page(path, name(path), "\n".join(_folded(cells, lambda png: self.picture(pictures, png))), beside)

    def picture(self, folder, png):
        """Write a picture that a chapter draws, in base64, into a folder of its own; return where it is, seen from the chapter."""
        there = self.out / folder
        there.mkdir(parents=True, exist_ok=True)
        file = there / f"{sum(1 for _ in there.iterdir()) + 1:02}.png"
        file.write_bytes(base64.b64decode(png))
        return f"{folder.name}/{file.name}"

    def markdown(self, path):
        """Write the page of a Markdown file."""
        self.page(path, name(path), _markdown((ROOT / path).read_text(encoding="utf-8")))

    def source(self, path):
        """Write the page of a source file."""
        text = (ROOT / path).read_text(encoding="utf-8")
        try:
            lexer = guess_lexer_for_filename(path.name, text)
        except ClassNotFound:
            self.page(path, path.name, f"<h1>{path}</h1>\n<pre>{html.escape(text)}</pre>")
        else:
            self.page(path, path.name, f"<h1>{path}</h1>\n{highlight(text, lexer, HtmlFormatter())}")

    def follow(self):
        """Write everything that is wanted and not there yet."""
        while self.wanted:
            path = self.wanted.pop()
            if (self.out / target(path)).exists():
                continue
            if path.suffix in COPIED:
                (self.out / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / path, self.out / path)
            elif path.suffix in SHOWN:
                (self.notebook if path.suffix == ".ipynb" else self.markdown)(path)
            else:
                self.source(path)


def _markdown(text):
    """Return Markdown as HTML; formulas come last, as what makes headings would spoil them, and never into a tag.

    Headings have the places that GitHub gives them, small letters and no punctuation, so that links to them lead somewhere here too.
    """
    words, found = formulas(text)
    parts = TAG.split(HEADING.sub(lambda match: re.sub(r"[^\w-]", "", match[0].lower()), markdown2html_mistune(words)))
    return "".join(WORD.sub("" if i % 2 else lambda match: found[match[0]], part) for i, part in enumerate(parts))


def _folded(cells, draw):
    """Return the cells of a notebook as pieces of HTML; what a prediction asks for, from the first output to the next heading, is folded.

    `draw` takes a picture in base64 and returns where it is.
    """
    pieces, answer = [], None  # answer: what is to be folded, while there is a prediction to be answered
    for cell in cells:
        text = cell.source
        if cell.cell_type == "code":
            code, outputs = highlight(text, PythonLexer(), HtmlFormatter()), [_output(output, draw) for output in cell.get("outputs", ())]
            (answer or pieces).append(code)  # in sight until there is something to fold
            (pieces if answer is None else answer).extend(outputs)
            continue
        if answer:
            end = match.start() if (match := SECTION.search(text)) else len(text)
            pieces.append(_hidden([*answer, _markdown(text[:end])]))
            text = text[end:]
        pieces.append(_markdown(text))
        if answer or SECTION.search(text):  # words between a prediction and its code are part of the question
            answer = [] if "".join(SECTION.findall(text)[-1:]).startswith("Predict") else None
    return [*pieces, _hidden(answer)] if answer else pieces


def _hidden(answer):
    """Return pieces of HTML as one that has to be opened."""
    inside = "\n".join(answer)
    return f"<details><summary>Decide first; then open</summary>\n{inside}\n</details>"


def _output(output, draw):
    """Return an output of a cell as HTML."""
    data = output.get("data", {})
    if "image/png" in data:
        return f'<img alt="what the cell above draws" src="{draw(data["image/png"])}">'
    if "text/html" in data:
        return data["text/html"]
    return f'<div class="output"><pre>{html.escape(output.get("text") or data.get("text/plain", ""))}</pre></div>'


def _read(path):
    """Return a notebook."""
    return nbformat.read(ROOT / path, as_version=4)


def chapters():
    """Return the path of every chapter below ROOT, in order."""
    return sorted(path.relative_to(ROOT) for path in (ROOT / "chapters").glob("[0-9][0-9]_*.ipynb"))


def name(path):
    """Return the first heading of a notebook or page."""
    text = _read(path).cells[0].source if path.suffix == ".ipynb" else (ROOT / path).read_text(encoding="utf-8")
    return re.search(r"^# (.+)$", text, re.MULTILINE)[1]


def entry(path):
    """Return a chapter's entry in the contents: its title, and the promise below it."""
    promise = _read(path).cells[0].source.split("\n\n")[1].strip()
    return f'<li><a href="{path.as_posix()}">{html.escape(name(path))}</a>{_markdown(promise)}</li>'


def contents(pages):
    """Return the body of the first page."""
    listed = "\n".join(map(entry, chapters()))
    others = "\n".join(f'<li><a href="{p.as_posix()}">{html.escape(name(p))}</a></li>' for p in pages)
    return f"<h1>S-TLLR in plain NumPy</h1>\n<h2>The course</h2>\n<ul>\n{listed}\n</ul>\n<h2>Pages</h2>\n<ul>\n{others}\n</ul>"


def build(out, withheld=()):
    """Render everything but what is withheld into a folder; return how many pages and how many other files it has."""
    site, pages = Site(out, withheld), sorted({path.relative_to(ROOT) for pattern in PAGES for path in ROOT.glob(pattern)})
    site.page(Path("index.md"), "stllr_ref", contents([path for path in pages if not path.as_posix().startswith(withheld)]))
    site.follow()
    files = [path for path in site.out.rglob("*") if path.is_file()]
    return sum(path.suffix == ".html" for path in files), sum(path.suffix != ".html" for path in files)


def ours(folder):
    """Return whether a folder may be written anew: not there, empty, or begun by an earlier run; only then is it emptied."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return True
    first = folder / "index.html"
    return first.is_file() and f">{HOME}</a>" in first.read_text(encoding="utf-8", errors="replace")


def main(argv=None):
    """Render the site; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "site", metavar="DIR")
    parser.add_argument("--without-solutions", action="store_true", help="leave out solutions, checks and the page for lecturers")
    args = parser.parse_args(argv)
    if importlib.util.find_spec("latex2mathml") is None:  # said before anything is emptied
        print('site: got no latex2mathml, expected it: pip install -e ".[site]"', file=sys.stderr)
        return 2
    try:
        if not ours(args.out):
            print(f"site: --out: got {args.out}, which holds something else, expected a new folder or that of a site", file=sys.stderr)
            return 2
        shutil.rmtree(args.out, ignore_errors=True)
        pages, others = build(args.out, WITHHELD if args.without_solutions else ())
    except OSError as bad:
        print(f"site: --out: got {args.out} ({bad.strerror}), expected a folder that can be written", file=sys.stderr)
        return 2
    print(f"{args.out}/index.html: {pages} pages, {others} other files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
