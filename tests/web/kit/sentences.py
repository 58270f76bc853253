"""Every sentence that a page or a message says, found in the templates and in the code.

A template names what it says, by `t` and `plural`; nothing else in it may hold words. In the code
of pages, and of the services behind them, every text that reads as a sentence is for people, and
so is what is passed to `worded`, `plural` and `say`, and the tables that are named here.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

from jinja2 import Environment, nodes

import safeconduct
from safeconduct.core.detail_types import BUILT_IN
from safeconduct.core.errors import not_found
from safeconduct.core.scopes import WORDS
from safeconduct.core.security_mail import SUBJECTS
from safeconduct.services import own_identifiers, security_mail
from safeconduct.web.connect import offers
from safeconduct.web.connect.entry import TITLES
from safeconduct.web.kit.companion import PAPERS
from safeconduct.web.kit.page_error import HEADINGS

SOURCE = Path(safeconduct.__file__).parent
TEMPLATES = SOURCE / "web/kit/templates"

PEOPLE = (
    "core/connect.py",
    "core/logout.py",
    "core/passwords.py",
    "core/times.py",
    "services/authorize.py",
    "services/deferrals.py",
    "services/login.py",
    "services/own_identifiers.py",
    "services/passkeys.py",
    "services/password_reset.py",
    "services/passwords.py",
    "services/requests.py",
    "services/second_factor.py",
    "services/setup.py",
    "services/signup.py",
    "services/connections/device_links.py",
    "services/connections/enter.py",
    "services/connections/start.py",
    "web/account",
    "web/connect",
    "web/kit/asking.py",
    "web/kit/browser.py",
    "web/kit/companion.py",
    "web/kit/entering.py",
    "web/kit/page_error.py",
    "web/kit/pages.py",
    "web/oauth2/authorize.py",
    "web/oauth2/device.py",
    "web/oauth2/login.py",
    "web/oauth2/logout.py",
    "web/oauth2/reset.py",
    "web/oauth2/second.py",
    "web/oauth2/signup.py",
)
"""What talks to people; the rest of the code talks to programs."""

MESSAGES = (own_identifiers, security_mail)
"""Services that write: every text that they have a name for."""

CALLS = {"worded": 0, "plural": 1, "say": 0, "Page": 1, "PageError": 1, "_malformed": 1}
"""Calls that are given a sentence, as which of the texts among their arguments."""

SENTENCE = re.compile(r"[A-Z“{][^\n]* [^\n]*[.?!]")
SPOKEN = ("aria-label", "alt", "placeholder", "title")
NOT_WORDS = frozenset(
    {"XXXX-XXXX", "https://mcp.example.com/mcp", "safe-conduct", "sheet--alone", "sheet--wide"}
)


def in_templates() -> dict[str, set[str]]:
    """By template. Of a plural, both forms of English are there, joined by a bar."""
    return {name_of(path): set(_called(path)) for path in sorted(TEMPLATES.rglob("*.html"))}


def name_of(path: Path) -> str:
    return str(path.relative_to(TEMPLATES))


def _called(path: Path) -> Iterator[str]:
    for call in _parsed(path).find_all(nodes.Call):
        name = getattr(call.node, "name", "")
        texts = [arg.value for arg in call.args if isinstance(arg, nodes.Const)]
        if name == "t":
            yield from texts[:1]
        elif name == "plural":
            yield texts[1]


def _parsed(path: Path) -> nodes.Template:
    return Environment().parse(path.read_text(encoding="utf-8"))


class _Bare(HTMLParser):
    """What of a template is words, without the template's own expressions."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        for line in data.splitlines():
            self._look(line)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in SPOKEN:
                self._look(value or "")

    def _look(self, text: str) -> None:
        words = text.replace("0", " ").strip()
        if re.search(r"[^\W\d_]", words) and words not in NOT_WORDS:
            self.found.append(words)


def bare_words() -> dict[str, list[str]]:
    """By template: words that no catalogue is asked for."""
    found = {}
    for path in sorted(TEMPLATES.rglob("*.html")):
        bare = _Bare()
        bare.feed("".join(_data(_parsed(path))))
        if bare.found:
            found[name_of(path)] = bare.found
    return found


def _data(node: nodes.Node) -> Iterator[str]:
    """The template's text in its order; "0" where something is put in. The macro that says what
    describes a field is made for the inside of a tag.
    """
    for child in node.iter_child_nodes():
        if isinstance(child, nodes.TemplateData):
            yield child.data
        elif isinstance(child, nodes.Output | nodes.Stmt):
            if getattr(child, "name", "") != "described":
                yield from _data(child)
        elif isinstance(node, nodes.Output):
            yield "0"


@cache
def spoken() -> frozenset[str]:
    """All of them."""
    return frozenset().union(*in_templates().values(), in_code())


def in_code() -> set[str]:
    found: set[str] = set()
    for name in PEOPLE:
        path = SOURCE / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            found |= set(_said(ast.parse(file.read_text(encoding="utf-8")), everything=True))
    for folder in ("core", "services", "web"):
        for file in sorted((SOURCE / folder).rglob("*.py")):
            found |= set(_said(ast.parse(file.read_text(encoding="utf-8"))))
    return found | in_tables()


def _said(tree: ast.AST, *, everything: bool = False) -> Iterator[str]:
    prose = set(_docstrings(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _given(node)
        if everything and isinstance(node, ast.Constant) and id(node) not in prose:
            yield from (text for text in (node.value,) if _reads_as_one(text))


def _reads_as_one(value: object) -> bool:
    return isinstance(value, str) and SENTENCE.fullmatch(value) is not None


def _docstrings(tree: ast.AST) -> Iterator[int]:
    """And what is no sentence of its own: the other form of a plural, a part of a text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield id(node.value)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "plural":
            yield id(node.args[0])
        if isinstance(node, ast.JoinedStr):
            yield from (id(part) for part in node.values)


def _given(call: ast.Call) -> Iterator[str]:
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    texts = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
    if name in CALLS:
        yield from (text for text in texts[CALLS[name] :][:1] if isinstance(text, str))


def in_tables() -> set[str]:
    fields = [field for one in BUILT_IN.values() for field in one.fields.values()]
    return {
        *SUBJECTS.values(),
        *(value for module in MESSAGES for value in _named(module)),
        *WORDS.values(),
        *(one.says for one in BUILT_IN.values()),
        *(field.label for field in fields),
        *(word for field in fields for word in field.words.values()),
        offers.SIGN_IN,
        *offers.VERBS.values(),
        *offers._ALL,
        *offers._NAMED.values(),
        *TITLES.values(),
        *PAPERS.values(),
        *HEADINGS,
        *(not_found(what).title for what in ("user", "grant", "provider", "connection")),
    }


def _named(module: ModuleType) -> Iterator[str]:
    names = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")).body
    for node in names:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = getattr(module, node.targets[0].id)
            if isinstance(value, str):
                yield value


def of_providers(sentence: str) -> bool:
    """Whether an entry of the catalogue says so; a language may know it, and need not."""
    return all(part in _entries() for part in sentence.split("{name}"))


@cache
def _entries() -> str:
    return "".join(
        file.read_text(encoding="utf-8") for file in sorted((SOURCE / "catalog").rglob("*.yaml"))
    )
