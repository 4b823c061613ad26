"""`make site`: every chapter and page as HTML that needs nothing from elsewhere, links that lead somewhere, formulas that are drawn."""

import base64
import importlib.util
import re

import nbformat
import pytest

from chapters import website

pytestmark = pytest.mark.skipif(importlib.util.find_spec("latex2mathml") is None, reason='needs latex2mathml: pip install -e ".[site]"')


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site") / "out"
    assert website.main(["--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def unsolved(tmp_path_factory):
    out = tmp_path_factory.mktemp("unsolved") / "out"
    assert website.main(["--out", str(out), "--without-solutions"]) == 0
    return out


@pytest.fixture(params=["site", "unsolved"])
def each_site(request):
    return request.getfixturevalue(request.param)


def pages(site):
    return sorted(site.rglob("*.html"))


def test_every_chapter_and_page_is_there_and_the_contents_point_to_each(site):
    index = (site / "index.html").read_text(encoding="utf-8")
    for path in website.chapters():
        assert (site / website.target(path)).exists() and f'href="{website.target(path)}"' in index
    assert len(website.chapters()) >= 6 and all(f'href="{name}.html"' in index for name in ("README", "RESULTS", "chapters/family"))


def test_every_link_leads_to_a_file_of_the_site_and_nothing_is_loaded_from_elsewhere(each_site):
    for page in pages(each_site):
        text = page.read_text(encoding="utf-8")
        for kind, there in re.findall(r'\b(href|src)="([^"#]+)', text):
            if there.startswith("http"):
                assert kind == "href", (page, there[:60])
            else:
                assert (page.parent / there).exists(), (page, there)
        assert "<script" not in text and "<link" not in text


def test_every_link_to_a_heading_finds_it(site):
    links = 0
    for page in pages(site):
        for there, place in re.findall(r'\bhref="(?!https?:)([^"#]*)#([^"]+)"', page.read_text(encoding="utf-8")):
            links += bool(there)
            assert f'id="{place}"' in ((page.parent / there) if there else page).read_text(encoding="utf-8"), (page, there, place)
    assert links >= 3  # from one page to a place of another


def test_every_formula_is_mathml_and_none_is_left_as_text(site):
    for path in website.chapters():
        texts = [cell.source for cell in website._read(path).cells if cell.cell_type == "markdown"]
        formulas = sum(len(website.FORMULA.findall(part)) for text in texts for part in website.CODE.split(text)[::2])
        html = (site / website.target(path)).read_text(encoding="utf-8")
        assert formulas == html.count("<math ") and formulas > 0, path
        assert "merror" not in html
        assert not re.search(r"\$|\\[a-z]+", re.sub(r"<(pre|code|style|annotation)\b.*?</\1>", "", html, flags=re.DOTALL)), path


def test_formulas_are_told_from_code_and_money():
    text = website._markdown("# A $b$\n\n`$x$` and $a_i$ and\n\n$$\n\\frac{a}{b}\n$$\n\n```\n$y$\n```\n5 $ and 6 $\n\n![of $c$](x.svg)")
    assert text.count("<math ") == 3 and "<code>$x$</code>" in text and "$y$" in text and "5 $ and 6 $" in text
    assert 'display="block"><mrow><mfrac>' in text and 'alt="of "' in text and "formula" not in text


def test_outputs_and_pictures_of_a_chapter_are_shown(site):
    path = website.chapters()[0]
    html = (site / website.target(path)).read_text(encoding="utf-8")
    first = website._read(path)
    drawn = [base64.b64decode(output.data["image/png"]) for cell in first.cells for output in cell.get("outputs", ()) if "image/png" in output.get("data", {})]
    shown = re.findall(r'src="([^"]+\.png)"', html)
    assert [(site / path.parent / file).read_bytes() for file in shown] == drawn and len(drawn) >= 2
    assert '<div class="output"><pre>' in html
    printed = next(
        output.text for cell in first.cells if cell.cell_type == "code" for output in cell.outputs if output.get("name") == "stdout"
    )
    assert printed.splitlines()[0] in html


def test_a_picture_leads_to_itself(site):
    pictures = 0
    for page in pages(site):
        text = page.read_text(encoding="utf-8")
        found = re.findall(r'<a href="([^"]+)"><img\b[^>]*\bsrc="([^"]+)"[^>]*></a>', text)
        assert len(found) == text.count("<img") and all(there == picture for there, picture in found), page
        pictures += len(found)
    assert pictures > 50


def test_what_answers_a_prediction_is_folded_up_to_the_next_heading():
    def text(source):
        return nbformat.v4.new_markdown_cell(source)

    def code(source, printed):
        return nbformat.v4.new_code_cell(source, outputs=[nbformat.v4.new_output("stream", text=printed)])

    cells = [text("## Step\n\n### Predict, then run\n\nA or B?"), code("first()", "one"), code("second()", "two")]
    cells += [text("**B**: because.\n\n### Next\n\nGo on."), code("third()", "three"), text("The end.")]
    before, folded, after = re.split(r"<details>|</details>", "\n".join(website._folded(cells, None)))
    assert "first" in before and "A or B" in before and "one" not in before
    assert folded.startswith("<summary>Decide first; then open</summary>")
    assert all(word in folded for word in (">one<", "second", ">two<", "because"))
    assert all(word in after for word in ("Next", "third", ">three<", "The end"))


def test_an_answer_at_the_end_and_after_further_words_is_folded():
    md, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    cells = [md("### Predict, then run\n\nWhich?"), md("Think of the leak."), code("go()", outputs=[nbformat.v4.new_output("stream", text="answer")])]
    seen, folded, after = re.split(r"<details>|</details>", "\n".join(website._folded(cells, None)))
    assert "Think of the leak." in seen and "answer" in folded and "answer" not in seen and not after.strip()


def test_every_prediction_of_a_chapter_is_folded(site):
    for path in website.chapters():
        headings = [re.findall(r"^##+ (.+)$", cell.source, re.MULTILINE) for cell in website._read(path).cells if cell.cell_type == "markdown"]
        predictions = sum(heading.startswith("Predict") for found in headings for heading in found)
        html = (site / website.target(path)).read_text(encoding="utf-8")
        assert html.count("<details>") == html.count("</details>") == predictions >= 3, path
        for answer in re.findall(r"<details>(.*?)</details>", html, re.DOTALL):
            assert '<div class="output">' in answer and re.search(r"<p><strong>[ABC]\b", answer) and not re.search(r"<h\d", answer), path


def test_a_site_without_solutions_has_none_and_leaves_the_rest(site, unsolved):
    there, left = ({page.relative_to(folder).as_posix() for page in pages(folder)} for folder in (site, unsolved))
    gone = there - left
    assert "chapters/solutions/ch01.py.html" in gone and "chapters/lecturers.html" in gone and left < there
    assert all(name.startswith(("chapters/solutions/", "stllr_ref/exercises/", "chapters/lecturers.html")) for name in gone)
    listed = ["For lecturers" in (folder / "index.html").read_text(encoding="utf-8") for folder in (site, unsolved)]
    assert listed == [True, False]
    solved = 0
    for page in pages(unsolved):
        assert not re.search(r"solutions/(ch\d|\w*\.html)|Solutions?:|href=\"[^\"]*lecturers", page.read_text(encoding="utf-8")), page
        solved += "Solution" in (site / page.relative_to(unsolved)).read_text(encoding="utf-8")
    assert solved >= len(website.chapters())


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    assert website.main(["--out", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert "which holds something else" in err and err.count("\n") == 1 and (tmp_path / "thesis.txt").read_text() == "mine"


def test_the_site_of_someone_else_is_left_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(website, "build", lambda *_: (0, 0))
    mine = tmp_path / "index.html"
    mine.write_text("<title>my home page</title>")
    for file in (tmp_path, mine):
        assert website.main(["--out", str(file)]) == 2
        assert "which holds something else" in capsys.readouterr().err
    assert mine.read_text() == "<title>my home page</title>"


def test_a_folder_that_cannot_be_written_and_a_missing_package_are_one_line(tmp_path, monkeypatch, capsys):
    file = tmp_path / "file"
    file.write_text("")
    assert website.main(["--out", str(file / "site")]) == 2
    assert capsys.readouterr().err == f"site: --out: got {file / 'site'} (Not a directory), expected a folder that can be written\n"
    monkeypatch.setattr(website.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(website.shutil, "rmtree", None)
    assert website.main(["--out", str(tmp_path / "site")]) == 2
    assert capsys.readouterr().err == 'site: got no latex2mathml, expected it: pip install -e ".[site]"\n'


def test_a_site_may_be_built_again_over_itself(site):
    before = (site / "index.html").read_bytes()
    (site / "old.html").write_text("gone")
    assert website.main(["--out", str(site)]) == 0
    assert (site / "index.html").read_bytes() == before and not (site / "old.html").exists()
