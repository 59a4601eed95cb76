# SPDX-License-Identifier: Apache-2.0
"""The pages say what is there: rules, links, examples, both languages, and nothing that ties them to one machine."""

import ast
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]
DOCS = TOP / "docs"
SRC = TOP / "src" / "detente"
FORMAT = DOCS / "format"

# Pages that readers were promised in both languages: (English, Chinese).
PROMISED = [
    ("README.md", "README.zh.md"),
    ("docs/index.md", "docs/zh/index.md"),
    ("docs/start.md", "docs/zh/start.md"),
    ("docs/threats.md", "docs/zh/threats.md"),
    ("docs/guides/what-leaves.md", "docs/zh/guides/what-leaves.md"),
    ("docs/guides/verify-by-hand.md", "docs/zh/guides/verify-by-hand.md"),
    ("docs/guides/as-a-library.md", "docs/zh/guides/as-a-library.md"),
    ("docs/guides/keys.md", "docs/zh/guides/keys.md"),
    ("docs/guides/long-runs.md", "docs/zh/guides/long-runs.md"),
    ("docs/guides/witness.md", "docs/zh/guides/witness.md"),
    ("docs/guides/write-a-suite.md", "docs/zh/guides/write-a-suite.md"),
    ("docs/concepts/statistics.md", "docs/zh/concepts/statistics.md"),
    ("docs/reference/cli.md", "docs/zh/reference/cli.md"),
    ("docs/reference/variants.md", "docs/zh/reference/variants.md"),
    ("docs/reference/gates.md", "docs/zh/reference/gates.md"),
    ("docs/reference/models.md", "docs/zh/reference/models.md"),
    ("docs/reference/importers.md", "docs/zh/reference/importers.md"),
    ("docs/format/README.md", "docs/zh/format/README.md"),
]
# How many rules each letter has; a rule is never removed and never renumbered.
RULES = {"B": 9, "P": 12, "S": 6, "T": 6, "R": 11, "C": 8, "L": 8, "A": 7, "F": 12, "V": 11}

CITED = re.compile(r"\b([BPSTRCLAFV])-(\d{1,2})(?![\w-])")
DEFINED = re.compile(r"^\*\*([BPSTRCLAFV]-\d{1,2})\*\*", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)|!\[[^\]\n]*\]\(([^)\s]+)\)")
BETWEEN_HAN = re.compile(r"[\u4e00-\u9fff][,.;!?][\u4e00-\u9fff]")

# Hosts of package registries and their mirrors, and paths that only exist on some machine.
REGISTRIES = re.compile(
    r"pypi\.org|pythonhosted\.org|registry\.npmjs|npmmirror|crates\.io|proxy\.golang|goproxy|rubygems\.org"
    r"|conda\.anaconda|repo\.maven|tuna\.tsinghua|mirrors\.aliyun|mirrors\.ustc|--(extra-)?index-url|--find-links"
)
MACHINE = re.compile(r"(?<![\w.])/(work|home|root|Users|tmp|mnt|data)/|[A-Z]:\\\\?Users")


def pages() -> list[Path]:
    """Every Markdown page of the repository, but for installed packages and what the demo leaves."""
    skipped = {"demo", "node_modules", "build", "dist"}
    found = []
    for path in sorted(TOP.rglob("*.md")):
        parts = path.relative_to(TOP).parts
        if not any(part.startswith(".") or part in skipped or part.endswith(".egg-info") for part in parts):
            found.append(path)
    return found


def name(path: Path) -> str:
    return path.relative_to(TOP).as_posix()


def defined_rules() -> list[str]:
    return [rule for page in sorted(FORMAT.glob("*.md")) for rule in DEFINED.findall(page.read_text("utf-8"))]


def sources() -> list[Path]:
    return [path for path in sorted(SRC.rglob("*")) if path.suffix in {".py", ".toml"} and path.is_file()]


def raised_codes() -> Iterator[tuple[str, str]]:
    """Every string in the source that looks like an error code with a rule's number, and where it stands."""
    for path in sorted(SRC.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            value = node.value if isinstance(node, ast.Constant) else None
            if isinstance(value, str) and re.fullmatch(r"[A-Z]-\d+\.[a-z0-9-]+", value):
                yield value, f"{name(path)}:{node.lineno}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the usual hosts make them."""
    found: Counter[str] = Counter()
    slugs = set()
    for line in FENCE.sub("", page.read_text("utf-8")).splitlines():
        if heading := re.match(r"#{1,6}\s+(.*)", line):
            text = re.sub(r"[`*]|\[|\]\([^)]*\)", "", heading[1]).strip().lower()
            slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
            slugs.add(f"{slug}-{found[slug]}" if found[slug] else slug)
            found[slug] += 1
    return slugs


def links(page: Path) -> Iterator[str]:
    prose = re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text("utf-8")))
    for one, picture in LINK.findall(prose):
        yield one or picture


def members(path: str) -> set[str]:
    """The members of every published record type that a source file declares."""
    tree = ast.parse((SRC / path).read_text("utf-8"))
    return {
        "_type" if node.target.id == "type_" else node.target.id  # in-toto's own name
        for record in tree.body
        if isinstance(record, ast.ClassDef)
        and any("Struct" in ast.dump(b) or "_Strict" in ast.dump(b) for b in record.bases)
        for node in record.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and not node.target.id.startswith("_")
    }


def named_in(text: str) -> set[str]:
    """The words that stand in code marks."""
    return {word for mark in re.findall(r"`([^`\n]+)`", text) for word in re.findall(r"\w+", mark)}


def test_promised_pages_in_both_languages_exist() -> None:
    missing = [page for pair in PROMISED for page in pair if not (TOP / page).is_file()]
    only_english = [
        name(page)
        for page in sorted(DOCS.rglob("*.md"))
        if "zh" not in page.relative_to(DOCS).parts and not (DOCS / "zh" / page.relative_to(DOCS)).is_file()
    ]
    print(f"not in Chinese yet ({len(only_english)}): {', '.join(only_english)}")
    assert not missing, f"promised and not there: {missing}"


def test_chinese_page_without_english_twin_is_refused() -> None:
    alone = [name(p) for p in sorted((DOCS / "zh").rglob("*.md")) if not (DOCS / p.relative_to(DOCS / "zh")).is_file()]
    assert not alone, f"no English page for: {alone}"


def test_commands_in_both_languages_are_the_same() -> None:
    different = []
    for english, chinese in PROMISED:
        here, there = TOP / english, TOP / chinese
        if here.is_file() and there.is_file():
            shells = [
                re.findall(r"^```sh\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
                for page in (here, there)
            ]
            if shells[0] != shells[1]:
                different.append(chinese)
    assert not different, f"commands differ from the English page: {different}"


def test_relative_links_when_followed_lead_somewhere() -> None:
    broken = []
    for page in pages():
        for link in links(page):
            if re.match(r"[a-z][a-z0-9+.-]*:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if not target.exists():
                broken.append(f"{name(page)}: {link}")
            elif anchor and target.suffix == ".md" and anchor not in anchors(target):
                broken.append(f"{name(page)}: {link} (no such heading)")
    assert not broken, "\n".join(broken)


def test_every_rule_is_defined_once_and_none_is_missing() -> None:
    expected = [f"{letter}-{n}" for letter, last in RULES.items() for n in range(1, last + 1)]
    found = Counter(defined_rules())
    assert sorted(found) == sorted(expected)
    assert not [rule for rule, times in found.items() if times > 1]


def test_rules_when_cited_anywhere_are_defined() -> None:
    known = set(defined_rules())
    wrong = []
    for path in [*sources(), *pages(), *sorted((TOP / "tests").rglob("*.py"))]:
        if path == Path(__file__).resolve():
            continue
        for n, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            wrong += [
                f"{name(path)}:{n}: {letter}-{number}"
                for letter, number in CITED.findall(line)
                if f"{letter}-{number}" not in known
            ]
    assert not wrong, "no such rule in docs/format:\n" + "\n".join(wrong)


def test_error_codes_when_they_begin_with_a_rule_name_an_existing_one() -> None:
    known = set(defined_rules())
    wrong = sorted({f"{where}: {code}" for code, where in raised_codes() if code.split(".")[0] not in known})
    assert not wrong, "\n".join(wrong)


def test_pages_name_no_registry_and_no_machine() -> None:
    wrong = []
    locks = [p for p in TOP.glob("requirements*/*") if p.is_file()] + sorted(TOP.glob("requirements*.txt"))
    for path in [*pages(), *locks]:
        for n, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if found := REGISTRIES.search(line) or MACHINE.search(line):
                wrong.append(f"{name(path)}:{n}: {found[0]}")
    assert not wrong, "\n".join(wrong)


def test_chinese_pages_have_full_width_punctuation_between_characters() -> None:
    wrong = [
        f"{name(page)}:{n}: {found[0]}"
        for page in pages()
        for n, line in enumerate(page.read_text("utf-8").splitlines(), 1)
        if (found := BETWEEN_HAN.search(re.sub(r"`[^`]*`", "", line)))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("page", sorted(FORMAT.glob("*.md")), ids=lambda page: page.name)
def test_example_bytes_are_canonical_and_their_digests_right(page: Path) -> None:
    text = page.read_text("utf-8")
    for block in re.finditer(r"^```jsonl\n(.*?)^```\n((?:\n*SHA-256[^\n]*)*)", text, re.MULTILINE | re.DOTALL):
        lines = block[1].splitlines()
        for line in lines:
            value = json.loads(line)
            spelled = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
            assert spelled == line, f"not canonical (B-1): {line[:80]}"
        for number, digest in re.findall(r"^SHA-256 of line (\d+): `([0-9a-f]{64})`", block[2], re.MULTILINE):
            assert hashlib.sha256(lines[int(number) - 1].encode()).hexdigest() == digest, f"line {number} of a block"


@pytest.mark.parametrize("path", ["pact/plan.py", "evidence/statements.py", "evidence/record.py", "evidence/counts.py"])
def test_members_of_published_records_stand_in_the_format_pages(path: str) -> None:
    text = "\n".join(page.read_text("utf-8") for page in FORMAT.glob("*.md"))
    assert not sorted(members(path) - named_in(text))


@pytest.mark.parametrize("page", ["docs/guides/what-leaves.md", "docs/zh/guides/what-leaves.md"])
@pytest.mark.parametrize(
    "path",
    ["evidence/statements.py", "evidence/record.py", "evidence/counts.py", "evidence/people.py", "evidence/lines.py"],
)
def test_members_that_leave_stand_in_what_leaves(path: str, page: str) -> None:
    assert not sorted(members(path) - named_in((TOP / page).read_text("utf-8")))
