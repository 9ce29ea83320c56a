"""The files of the page are small, complete, and refer to nothing elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from functions.web.static_files import FOLDER, condensed, read_files

MAX_WEIGHT = 60_000  # bytes, compressed
MAX_ON_DEMAND_WEIGHT = 8_000  # of one module that is loaded when somebody needs it
FILES = sorted(FOLDER.rglob("*"))
MODULES = [file for file in FILES if file.suffix == ".js"]
NAMESPACES = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml", "http://www.w3.org/1999/xlink"}
OTHER_HOST = re.compile(r"""(?<!\\)(?:[a-z][a-z0-9+.-]*:)?//[\w.-]+[\w./-]*""", re.IGNORECASE)
IMPORTED = re.compile(r"""\b(?:from|import)\s*\(?\s*["']([^"'\n]+)["']""")
# What Trusted Types and the Content-Security-Policy would stop only when it runs.
MARKUP_FROM_TEXT = re.compile(
    r"\b(innerHTML|outerHTML|insertAdjacentHTML|setHTMLUnsafe|parseFromString|createContextualFragment|srcdoc|eval|"
    r"new Function|document\.write|javascript:)"
)
STYLE_ATTRIBUTE = re.compile(r"""setAttribute\(\s*["'](style|on\w+)["']""")

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(FOLDER)))
each_module = pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(FOLDER)))


class Markup(HTMLParser):
    """The tags of a document with their attributes, and the text within <script> and <style>."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.inline = ""
        self._within = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attributes}))
        self._within = tag

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within in ("script", "style"):
            self.inline += data.strip()


def text_without_comments(file: Path) -> str:
    """Return a file's text without comments, which may name any address."""
    text = file.read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/|<!--.*?-->", "", text, flags=re.DOTALL)
    return re.sub(r"(^|\s)//.*", "", text) if file.suffix == ".js" else text


def test_what_every_visit_loads_weighs_less_than_sixty_kilobytes() -> None:
    page = read_files()
    weight = sum(len(file.compressed) for name, file in page.files.items() if name not in page.on_demand)
    assert weight < MAX_WEIGHT, f"{weight} bytes"
    for name in page.on_demand:
        assert len(page.files[name].compressed) < MAX_ON_DEMAND_WEIGHT, name


def test_a_module_is_loaded_at_the_start_unless_it_is_imported_by_a_call_only(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text('<head></head><script type="module" src="app.js"></script>')
    (tmp_path / "app.js").write_text('import {\n  a,\n} from "./a.js";\nconst c = () => import("./c.js");\n')
    (tmp_path / "a.js").write_text('import "./b.js";\nexport { d } from "./d.js";\n')
    for name in ("b.js", "c.js", "d.js"):
        (tmp_path / name).write_text('import "./a.js";\n')
    page = read_files(tmp_path)
    assert page.on_demand == {"c.js"}
    preloaded = re.findall(rf'modulepreload" href="{page.release}/([\w.]+)"', page.files["index.html"].plain.decode())
    assert preloaded == ["a.js", "app.js", "b.js", "d.js"]


@each_file
def test_a_file_refers_to_no_other_host(file: Path) -> None:
    assert set(OTHER_HOST.findall(text_without_comments(file))) <= NAMESPACES


@pytest.mark.parametrize(
    "file", [FOLDER / "index.html", FOLDER.with_name("not_found.html")], ids=lambda file: file.name
)
def test_a_document_has_no_inline_script_or_style(file: Path) -> None:
    markup = Markup(file.read_text(encoding="utf-8"))
    assert markup.tags
    assert markup.inline == ""
    for tag, attributes in markup.tags:
        assert not [name for name in attributes if name == "style" or name.startswith("on")], tag
        assert tag != "script" or attributes["src"]
        assert tag != "base"


@each_module
def test_a_module_makes_no_markup_or_code_from_text(file: Path) -> None:
    text = text_without_comments(file)
    assert not MARKUP_FROM_TEXT.findall(text)
    assert not STYLE_ATTRIBUTE.findall(text)


@each_module
def test_a_module_has_no_template_of_several_lines_which_would_lose_its_indentation(file: Path) -> None:
    for number, line in enumerate(condensed(file.read_bytes()).splitlines(), start=1):
        assert line.count(b"`") % 2 == 0, number


@each_module
def test_every_imported_module_exists(file: Path) -> None:
    for imported in IMPORTED.findall(text_without_comments(file)):
        assert imported.startswith("./"), "a name without ./ would need an import map"
        assert (file.parent / imported).is_file(), imported


def test_every_module_is_loaded_by_another_or_by_the_index() -> None:
    texts = {file: text_without_comments(file) for file in [*MODULES, FOLDER / "index.html"]}
    for module in MODULES:
        others = "".join(text for file, text in texts.items() if file != module)
        assert re.search(rf"""["'](?:\./)?{re.escape(module.name)}["']""", others), module.name
