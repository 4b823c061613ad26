"""Whatever a page or a doc string points to is there: files, headings, pictures with words for them, tests, names of the library."""

import ast
import functools
import importlib
import inspect
import json
import re
import urllib.parse
from collections import Counter

import pages
import pytest

ROOT = pages.ROOT
PAGES = pages.pages()
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]*)\)")
FOLDERS = ("stllr_ref", "figures", "benchmarks", "chapters", "tests")
SOURCES = [path.relative_to(ROOT) for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
each_page = pytest.mark.parametrize("page", PAGES)

# -------------------------------------------------------------------------------------------------- links and pictures


def links(page):
    """Return (is a picture, its words, target) of every link of a page outside its code."""
    text = re.sub(r"`[^`\n]*`", "`", pages.FENCE.sub("", pages.read(page)))
    return [(bool(mark), words, target) for mark, words, target in LINK.findall(text)]


@functools.cache
def places(page):
    """Return the places of a page that a link may name, as GitHub and the site make them of its headings."""
    seen, found = Counter(), set()
    for heading in re.findall(r"^#{1,6} (.+?) *$", pages.FENCE.sub("", pages.read(page)), re.MULTILINE):
        words = LINK.sub(lambda match: match[2], heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


@each_page
def test_every_link_of_a_page_leads_somewhere(page):
    for _, _, target in links(page):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, place = target.partition("#")
        there = ((ROOT / page).parent / file).resolve() if file else ROOT / page
        assert there.exists() and there.is_relative_to(ROOT), target
        if place:
            assert place in places(there.relative_to(ROOT).as_posix()), target


def test_links_to_files_places_and_pictures_are_found():
    every = [(page, *link) for page in PAGES for link in links(page)]
    assert len(every) > 150 and sum("#" in target and "http" not in target for *_, target in every) >= 1
    assert sum(picture for _, picture, *_ in every) >= 15


@each_page
def test_every_link_has_words_and_every_picture_says_what_it_shows(page):
    for picture, words, target in links(page):
        assert words.strip(), target
        if picture:
            assert len(words.split()) >= 4, (words, target)
    assert "<img" not in pages.read(page)


@each_page
def test_no_link_is_broken_in_its_syntax(page):
    """What looks like a link to a reader, is one; a reference that is defined nowhere is none."""
    text = re.sub(r"`[^`\n]*`", "`", pages.FENCE.sub("", pages.read(page)))
    assert text.count("](") == len(links(page))
    assert not re.search(r"\]\[\w*\]|^\[[^\]]+\]:", text, re.MULTILINE)


def addresses(text):
    """Return every address of the web in a text."""
    return [address.rstrip(".,;:") for address in re.findall(r"\bhttps?:[^\s<>\"'`\])]+", text)]


PAPER = "2306.15220"


@pytest.mark.parametrize("page", [*PAGES, "CITATION.cff", "pyproject.toml"])
def test_every_address_is_well_formed_and_secure(page):
    text = pages.read(page)
    for address in addresses(text):
        parts = urllib.parse.urlsplit(address)
        assert parts.scheme == "https" and re.fullmatch(r"([a-z0-9-]+\.)+[a-z]{2,}", parts.netloc), address
        assert re.fullmatch(r"[\w./~%?=&#+-]*", parts.path + parts.query + parts.fragment) and "//" not in parts.path, address
        if parts.netloc == "arxiv.org":
            assert re.fullmatch(r"/(abs|pdf)/\d{4}\.\d{4,5}(v\d+)?", parts.path), address
        if parts.netloc in ("doi.org", "dx.doi.org"):
            assert re.fullmatch(r"/10\.\d{4,9}/\S+", parts.path), address
    assert set(re.findall(r"(?i)arxiv[ :./a-z]*(\d{4}\.\d{4,5})", text)) <= {PAPER}


# ------------------------------------------------------------------------------------------------------ names and paths

OF_OTHERS = {  # in the words of a page: what belongs to Python, PyTorch, snnTorch, tonic, BLAS or the published code
    "F.conv2d", "v.real", "json.loads", "concurrent.futures.Executor", "np.bool", "ToFrame", "sensor_size", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE",
    "stllr_online", "mem", "output", "leak", "threshold", "weight_rec", "trace_in", "trace_out", "factors", "delta_w_pre", "delta_w_post",
    "adam_steps", "grad_input", "pred", "trace_post_used", "trace_pre", "trace_rec", "u_post", "u_pre", "weight_eff", "fuzz", "mutants",
    "grad_output", "fixed_fb_weights", "GradNormOut", "hook*.fixed_fb_weights", "saved_variables",
}  # fmt: skip
A = {"neuron": "LIF", "lif": "LIF", "net": "Network", "settings": "flow.Settings"}  # a variable of a text: what it holds
MADE_BY_COMMANDS = {"runs", "mine.py", "case.npz", "result.npz", "race.json", "RESULT.npz", "dW.bin", "last.npz", "result.json", "trials.jsonl"}
FILE = re.compile(r"[\w.-]+(?:/[\w.-]+)*\.(?:py|md|ipynb|csv|svg|gif|npz|json|toml|txt|mplstyle|cff)")


def docs(path):
    """Return (doc string, qualified name) of a source file and of everything in it."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    owners = [node for node in ast.walk(tree) if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))]
    return [(ast.get_docstring(node), getattr(node, "name", path.stem)) for node in owners if ast.get_docstring(node)]


def codes():
    """Return (where, what stands between backticks) of every page, and of every doc string of the library and what stands beside it.

    Lines that the page on the published code quotes are compared whole, in test_published_code.py.
    """
    texts = {page: re.sub("^- Ours, .*", "", pages.read(page), flags=re.MULTILINE) for page in PAGES if page not in pages.WRITTEN}
    found = [(page, code) for page, text in texts.items() for code in pages.inline(text)]
    ours = [path for path in SOURCES if path.parts[0] != "tests" and "solutions" not in path.parts]
    found += [(f"{path}: {name}", code) for path in ours for doc, name in docs(path) for code in pages.inline(doc)]
    return found


@functools.cache
def identifiers():
    """Return every name of our code and of the chapters': of variables, attributes, arguments, functions, and the words of short texts."""
    names = set()
    for path in (path for path in SOURCES if path.parts[0] != "tests"):  # words of tests are no names that a reader may use
        names.add(path.stem)
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.alias)):
                names.update(node.name.split("."))
            elif isinstance(node, ast.Name):
                names.add(node.id)
            elif isinstance(node, ast.Attribute):
                names.add(node.attr)
            elif isinstance(node, (ast.arg, ast.keyword)):
                names.add(node.arg)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 40:
                names.update(re.findall(r"\w+", node.value))
    for page in PAGES:
        if page.endswith(".ipynb"):
            cells = json.loads((ROOT / page).read_text(encoding="utf-8"))["cells"]
            names.update(word for cell in cells if cell["cell_type"] == "code" for word in re.findall(r"\w+", "".join(cell["source"])))
    return names | {part for path in (ROOT / "tests" / "golden").glob("*.npz") for part in path.stem.split("_")}


@functools.cache
def modules():
    """Return last part of the name -> modules of ours that have it; those that need PyTorch or snnTorch only where it is installed."""
    found = {}
    for path in SOURCES:
        if path.parts[0] in ("stllr_ref", "figures", "benchmarks"):
            name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
            try:
                found.setdefault(name.split(".")[-1], []).append(importlib.import_module(name))
            except ModuleNotFoundError as missing:
                assert missing.name in ("torch", "snntorch"), name
    return found


def part_of(thing, name):
    """Return [what a module or an object has under a name]; of a class also what only its objects have; empty where there is nothing."""
    if hasattr(thing, name):
        return [getattr(thing, name)]
    own = inspect.getsource(thing) if inspect.isclass(thing) or inspect.ismodule(thing) else ""
    return re.findall(rf"\bself\.{name}\b|^ +{name}:", own, re.MULTILINE)[:1]


def resolves(name):
    """Return whether a dotted name leads to something of the library: from a module, or from what a module holds."""
    first, _, rest = name.removeprefix("stllr_ref.").partition(".")
    first, *rest = f"{A.get(first, first)}.{rest}".strip(".").split(".")
    things = [*modules().get(first, []), *[vars(m)[first] for found in modules().values() for m in found if first in vars(m)]]
    for part in rest:
        things = [found for thing in things for found in part_of(thing, part)]
    return bool(things)


CODES = codes()


def test_a_file_that_a_page_or_a_doc_string_names_exists():
    found = 0
    for where, code in CODES:
        if FILE.fullmatch(code) and code not in MADE_BY_COMMANDS:
            beside = (ROOT / where.partition(":")[0]).parent
            places = [ROOT / code, beside / code, *ROOT.glob(f"stllr_ref/**/{code}"), *ROOT.glob(f"chapters/**/{code.replace('NN', '01')}")]
            assert any(place.exists() for place in places), (where, code)
            found += 1
    assert found > 15


def test_a_test_that_a_page_names_exists():
    tests = {node.name for path in SOURCES if path.parts[0] == "tests" for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)}
    named = [(where, code) for where, code in CODES if re.fullmatch(r"test_\w+(\[.*\])?", code)]
    assert len(named) > 100
    assert [(where, code) for where, code in named if code.partition("[")[0] not in tests] == []


def dotted():
    """Return (where, name) of every dotted name between backticks, with or without brackets behind it."""
    found = [(where, re.sub(r"\(.*\)$", "", code)) for where, code in CODES if not FILE.fullmatch(code)]
    return [(where, name) for where, name in found if re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", name) and name not in OF_OTHERS]


def test_a_dotted_name_leads_to_something_of_the_library():
    assert len(dotted()) > 100
    assert [(where, name) for where, name in dotted() if not resolves(name)] == []


def test_a_dotted_name_that_leads_nowhere_is_noticed():
    assert resolves("Layer.learn") and resolves("bptt.run") and resolves("stllr_ref.gradcheck.twin") and resolves("Twin.memory")
    assert not any(resolves(name) for name in ("Layer.teach", "bptt.go", "stllr_ref.gradchek", "Twin.storage"))


def test_a_name_between_backticks_is_one_of_our_code():
    names = [(where, code.partition("(")[0]) for where, code in CODES if re.fullmatch(r"[A-Za-z_]\w{2,}(\([^()]*\))?", code)]
    assert len(names) > 500
    unknown = [(where, name) for where, name in names if name not in identifiers() | OF_OTHERS and not name.startswith("test_")]
    assert unknown == []


def test_a_word_that_is_no_name_of_ours_is_noticed():
    assert {"lam_pre", "cosine", "TASKS", "judgement"} <= identifiers()
    assert not {"lam_prae", "kosine", "half_written", "left_where"} & (identifiers() | OF_OTHERS)
