# SPDX-License-Identifier: Apache-2.0
"""HTML made of escaped pieces: foreign text cannot become a tag, an attribute or an invisible character."""

from collections.abc import Container, Iterable, Sequence
from html import escape

from detente.words import harmless

VOID = {"meta", "br", "hr", "col"}


class Html(str):
    """Text that is already HTML: made by ``el``, ``joined`` or from our own templates, by nothing else."""

    __slots__ = ()


Child = str | Html | Iterable["Child"] | None


def text(foreign: object) -> Html:
    """Any text as HTML: escaped, with control, format and bidi characters made visible (CWE-79, CVE-2021-42574)."""
    return Html(escape(harmless(foreign), quote=True))


def joined(*children: Child) -> Html:
    """The children one after the other; plain strings are escaped, None is nothing."""
    parts: list[str] = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, Html):
            parts.append(child)
        elif isinstance(child, str):
            parts.append(text(child))
        else:
            parts.extend(joined(one) for one in child)
    return Html("".join(parts))


def el(tag: str, *children: Child, **attributes: str | int | None) -> Html:
    """One element. Attribute names lose a closing ``_`` and swap ``_`` for ``-``; an attribute of None is left out."""
    shown = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{text(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag in VOID:
        return Html(f"<{tag}{shown}>")
    return Html(f"<{tag}{shown}>{joined(*children)}</{tag}>")


def paragraphs(foreign: str, lang: str) -> Html:
    """A person's text of several lines, as paragraphs in its language."""
    lines = [line for line in foreign.replace("\r\n", "\n").split("\n") if line.strip()]
    return joined(el("p", el("bdi", line), lang=lang) for line in lines)


def table(
    head: Sequence[Child],
    rows: Iterable[Iterable[Html]],
    caption: Child,
    *,
    numbers: Container[int] = (),
    class_: str | None = None,
) -> Html:
    """A table with a caption: ``head`` are the column titles, ``rows`` finished ``td`` and ``th`` cells.

    ``numbers`` are the columns whose figures stand right-aligned. The table stands in a box of its own
    that scrolls sideways on a narrow screen (reachable by keyboard).
    """
    titles = (el("th", one, scope="col", class_="number" if n in numbers else None) for n, one in enumerate(head))
    whole = el(
        "table",
        el("caption", el("span", caption)) if caption else None,
        el("thead", el("tr", titles)),
        el("tbody", (el("tr", row) for row in rows)),
        class_=class_,
    )
    return el("div", whole, class_="scroll", tabindex="0", role="region")
