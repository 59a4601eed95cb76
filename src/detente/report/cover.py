# SPDX-License-Identifier: Apache-2.0
"""The page on top of an archive: who, when, status, the report, where to compare the plan id, how to check."""

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from urllib.parse import quote

from detente.report.facts import last_agreed
from detente.report.first import band
from detente.report.html import page
from detente.report.joint import Joint, PageLang
from detente.report.markup import Child, Html, el
from detente.report.reading import Reading, Trial
from detente.report.record import homes, plan_id
from detente.report.voice import Spoken, Voice, listed, moment, name_of, same, spoken

PAGES = ("en", "zh", "both")


def start_here(joint: Joint, lang: PageLang, files: Sequence[str]) -> bytes:
    """START-HERE.html or 请先看这里.html for an archive that holds ``files`` (paths with ``/``, relative to its top).

    A ``.html`` file called ``en``, ``zh`` or ``both`` is linked as the report, the page's own language first.
    Raises WrongUsage("report-language") for another language.
    """
    voice, reading = Voice(lang), Reading(joint)
    body = [
        band(reading, voice),
        el(
            "main",
            el("h1", voice.show(name_of(joint.plan["title"], ""))),
            _part(voice, "report", _reports(voice, files)),
            _part(voice, "who", el("ul", (voice.element("li", line) for line in _who(reading)))),
            _part(voice, "when", el("ul", (voice.element("li", line) for line in _when(reading)))),
            _part(
                voice,
                "compare",
                voice.element("p", spoken("cover.compare-lead")),
                plan_id(joint.plan_id),
                homes(reading, voice),
            ),
            _part(voice, "how", _how(joint, voice, files)),
            _part(voice, "files", el("ul", (voice.element("li", line) for line in _files(files)))),
            class_="cover-page",
        ),
    ]
    return page(voice, voice.plain(spoken("cover.title")), body, "cover")


def _part(voice: Voice, key: str, *content: Child) -> Html:
    return el("section", voice.element("h2", spoken(f"cover.{key}")), *content)


def _who(reading: Reading) -> list[Spoken]:
    return [
        spoken(
            "cover.party",
            party=reading.party(party["id"]),
            roles=listed([spoken(f"cover.role-{role}") for role in party["roles"]]),
        )
        for party in reading.plan["parties"]
    ] + [spoken("cover.observer", party=reading.party(one["id"])) for one in reading.plan["observers"]]


def _when(reading: Reading) -> list[Spoken]:
    """When the plan was agreed as seen by others, and each run's own dates."""
    agreed = last_agreed(reading)
    lines = [spoken("cover.agreed", at=moment(agreed)) if agreed else spoken("cover.not-agreed")]
    for run in reading.runs:
        who = reading.who(Trial(run["party"], run["subject"], run["section"], run))
        started, finished = moment(run["startedAt"]), moment(run["finishedAt"])
        lines.append(spoken("cover.ran", who=who, started=started, finished=finished))
    return lines


def _reports(voice: Voice, files: Sequence[str]) -> Html:
    """Links to the report pages in the archive, the reader's own language first."""
    order = [voice.lang, *(name for name in PAGES if name != voice.lang)]
    found = {PurePosixPath(name).stem: name for name in files if _is_page(name)}
    links = [
        el("li", el("a", voice.say(f"cover.page-{name}"), href=quote(found[name]))) for name in order if name in found
    ]
    return el("ul", links) if links else voice.element("p", spoken("cover.report-none"))


def _is_page(name: str) -> bool:
    """Whether a path leads to a report page inside the archive, and nowhere else."""
    path = PurePosixPath(name)
    inside = not path.is_absolute() and ".." not in path.parts and ":" not in name and "\\" not in name
    return inside and path.suffix == ".html" and path.stem in PAGES


def _files(files: Sequence[str]) -> list[Spoken]:
    """The archive's folders with how much is in each, and the files on top; an exchange is many files."""
    folders = Counter(name.partition("/")[0] for name in files if "/" in name)
    lines = [spoken("cover.folder", folder=f"{folder}/", n=n) for folder, n in sorted(folders.items())]
    return lines + [same(name) for name in sorted(files) if "/" not in name]


def _how(joint: Joint, voice: Voice, files: Sequence[str]) -> list[Html]:
    """Two commands, with the paths as they are in the archive."""
    ending = f"plans/{joint.plan_id}/plan.json"
    plan = next((name for name in sorted(files) if name.endswith(ending)), f"EXCHANGE/PARTY/{ending}")
    exchange = plan.removesuffix(f"/{ending}").rpartition("/")[0] or "."
    commands = (f"sha256sum {quote(plan)}", f"detente verify {quote(exchange)} --plan {joint.plan_id}")
    boxes = [el("pre", el("code", command), tabindex="0") for command in commands]
    hash_it, verify_it, more = (voice.element("p", spoken(f"cover.how-{key}")) for key in ("hash", "verify", "more"))
    return [hash_it, boxes[0], verify_it, boxes[1], more]
