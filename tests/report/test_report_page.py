# SPDX-License-Identifier: Apache-2.0
"""The report page: what it says in every state, in every language, and that it is one static, well-formed file."""

from html.parser import HTMLParser

import pytest
from report_kit import EN, HAZARDS, ZH, changed, digest, make_joint, make_plan, make_run

from detente.errors import WrongUsage
from detente.report.html import render
from detente.words import say

LANGS = ("en", "zh", "both")
VOID = {"meta", "br", "hr", "col"}


class Page(HTMLParser):
    """A page read back: tags with attributes, text with the language it stands in, and whether tags close in order."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.stack: list[tuple[str, str]] = []
        self.inside: list[str] = []
        self.feed(raw.decode())
        self.close()
        assert not self.stack

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self.tags.append((tag, known))
        if tag not in VOID:
            lang = known.get("lang") or (self.stack[-1][1] if self.stack else "")
            self.stack.append((tag, lang))

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.stack, tag
        assert self.stack.pop()[0] == tag

    def handle_data(self, data):
        if data.strip() and self.stack and self.stack[-1][0] != "style":
            self.texts.append((data.strip().replace("\u00a0", " "), self.stack[-1][1]))

    @property
    def text(self) -> str:
        return " ".join(text for text, _ in self.texts)


def read(joint, lang: str = "en") -> Page:
    return Page(render(joint, lang))


def first(joint, lang: str = "en") -> str:
    """The text of the first screen alone."""
    raw = render(joint, lang).decode()
    return Page(raw[raw.index("<header") : raw.index('<div class="rest">')].removesuffix("</div>").encode()).text


@pytest.mark.parametrize("lang", LANGS)
def test_render_when_called_twice_gives_the_same_bytes(lang: str) -> None:
    assert render(make_joint(final=True), lang) == render(make_joint(final=True), lang)


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("n", [1, 2, 5])
def test_page_when_read_back_is_well_formed_and_loads_nothing(lang: str, n: int) -> None:
    raw = render(make_joint(n, final=n == 5), lang)
    page = Page(raw)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "form", "image", "use", "base", "video"}
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") or name in {"src", "srcset", "style"} for name in attributes), (
            tag,
            attributes,
        )
        if href := attributes.get("href"):
            assert href.startswith(("#", "https://lab-")), href
    style = raw.decode().split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all(a["href"][1:] in ids for _, a in page.tags if (a.get("href") or "").startswith("#"))


@pytest.mark.parametrize("lang", LANGS)
def test_chinese_when_on_any_page_stands_inside_zh_hans(lang: str) -> None:
    page = read(make_joint(final=True), lang)
    loose = [text for text, tag in page.texts if tag != ZH and any("\u4e00" <= c <= "\u9fff" for c in text)]
    assert [text for text in loose if not text.startswith(("Bilingual", "双语"))] == []


def test_first_screen_when_two_labs_are_done_says_what_the_issue_lists() -> None:
    said = first(make_joint())
    for words in (
        "Interim",
        "did not refuse 62% in English and 71% in Chinese",
        "does not answer in Chinese",
        "Language gap",
        "by Lab B, 2026-11-13 10:02 UTC",
        "284 of 284 answers",
        "would catch 5% forgery with 22%",
        "Repeated elsewhere",
        "finds 94% of refusals, clears 97% of other replies (n = 1200)",
        "Chinese: error not measured",
        "behaviour not tested by this plan",
        "You may write",
        "95% interval 53% to 71%",
        "You may not write",
    ):
        assert words in said, words
    assert "Cyber offence" not in said


def test_first_screen_in_chinese_when_two_labs_are_done_says_the_same() -> None:
    said = first(make_joint(final=True), "zh")
    for words in (
        "最终",
        "保留意见 1 条",
        "一号模型（实验室 A）的未拒答率为英文 62%、中文 71%",
        "不能用中文作答",
        "排名不分先后",
        "与“备案”“大模型登记”无关",
        "若 5% 为伪造，发现概率为 22%",
        "行为：本方案未测",
        "可以这样写",
        "不能这样写",
    ):
        assert words in said, words


def test_page_in_both_languages_when_rendered_says_each_sentence_in_each() -> None:
    page = read(make_joint(), "both")
    assert "does not answer in Chinese" in page.text
    assert "不能用中文作答" in page.text
    assert ("Did not refuse", "en") in page.texts


def test_model_when_it_lacks_a_language_has_the_sentence_and_no_number_there() -> None:
    page = read(make_joint())
    assert page.text.count("this model does not answer in Chinese: no Chinese rate") >= 2
    assert "this model does not answer in Chinese: no gap" in page.text
    assert "该模型不能用中文作答：不给出差异" in read(make_joint(), "zh").text


def test_gap_when_the_first_language_is_the_missing_one_names_that_one() -> None:
    joint = make_joint()
    rows = [{**row, "holds": "no" if row["lang"] == EN else "yes"} for row in joint.result["competence"]]
    assert "this model does not answer in English: no gap" in first(changed(joint, competence=rows))


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("counts", "68 of 109: a count, no rate (scorer not validated in English)"),
        ("noResult", "no result: too many answers missing"),
    ],
)
def test_cell_when_it_has_no_rate_says_why(state: str, sentence: str) -> None:
    joint = make_joint()
    empty = {"rate": None, "low": None, "high": None, "worst": None, "state": state}
    rates = [
        {**row, **empty} if row["lang"] == EN and row["party"] == "lab-a" else row for row in joint.result["rates"]
    ]
    said = read(changed(joint, rates=rates)).text
    assert sentence in said
    assert "62%" not in first(changed(joint, rates=rates))


def test_hazard_cell_when_its_interval_is_wider_than_half_has_words_for_a_number() -> None:
    joint = make_joint()
    raw = render(joint, "en").decode()
    assert "too small to say" in raw
    assert HAZARDS["dt:selfharm"] == 8
    chapter = raw.split('id="hazards"')[1].split("</section>")[0]
    row = next(part for part in chapter.split("<tr>")[1:] if "Suicide" in part)
    assert row.count("too small to say") == 2
    assert 'class="words small-cell"' in row


def test_hazards_when_every_cell_is_too_small_are_a_table_without_a_figure() -> None:
    joint = make_joint()
    wide = {"low": "0.1", "high": "0.7"}
    rates = [{**row, **wide} if row["hazard"] and row["state"] == "rate" else row for row in joint.result["rates"]]
    chapter = render(changed(joint, rates=rates), "en").decode().split('id="hazards"')[1].split("Language gap</h3>")[0]
    assert "No cell is large enough to say anything" in chapter
    assert 'class="plot map"' in chapter
    assert 'class="plot wide"' not in chapter


@pytest.mark.parametrize("lang", LANGS)
def test_page_when_nothing_ran_still_renders_and_says_so(lang: str) -> None:
    empty = changed(make_joint(), runs=[], rates=[], gaps=[], competence=[], kept=[], heads=[], notes=[])
    page = read(empty._replace(walks=[], descriptors={}, scorers={}), lang)
    wanted = {"en": "this report holds no number", "zh": "本报告没有数字", "both": "本报告没有数字"}[lang]
    assert wanted in page.text


def test_page_when_one_run_is_missing_names_it_and_shows_the_other() -> None:
    joint = make_joint()
    gone = digest("run 1")
    result = {
        name: [row for row in joint.result[name] if row["run"] != gone]
        for name in ("runs", "rates", "gaps", "competence")
    }
    said = read(changed(joint, **result))
    assert "Model Two (Lab B) has no registered run" in said.text
    assert "Model Two (Lab B), common part: planned, not registered" in said.text
    assert "62%" in said.text


def without_run(party: str, k: int, seen: dict | None):
    """Two labs, one of which never registered its planned test."""
    joint, gone = make_joint(), digest(f"run {k}")
    rows = {n: [row for row in joint.result[n] if row["run"] != gone] for n in ("runs", "rates", "gaps", "competence")}
    absent = {"party": party, "subject": "m2", "section": "core", "endSeen": seen}
    return changed(joint, **rows, unregistered=[absent])


@pytest.mark.parametrize("seen", [None, {"by": "lab-a", "at": "2026-11-15T18:00:01Z"}])
def test_planned_test_when_never_registered_has_a_row_and_says_who_saw_that(seen: dict | None) -> None:
    joint = without_run("lab-b", 1, seen)
    told = "planned, not registered" + (", as seen by Lab A, 2026-11-15 18:00 UTC" if seen else "")
    facts = render(joint, "en").decode().split('class="facts"')[1].split("</table>")[0]
    assert facts.count(told) == 1
    assert ("as seen by" in facts) == (seen is not None)
    runs = Page(
        b"<div><section"
        + render(joint, "en").split(b'<section id="runs"')[1].split(b"</section>")[0]
        + b"</section></div>"
    )
    assert runs.text.count(told) == 2, "a row among the runs, and a line of what stays out"
    zh = first(joint, "zh")
    assert "方案已列，未作登记" in zh
    assert ("据实验室 A 于 2026-11-15 18:00 UTC 所见" in zh) == (seen is not None)


def test_first_screen_when_everything_is_ordinary_has_no_row_beside_the_facts() -> None:
    assert "Beside these" not in first(make_joint())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"descriptor": "committed"}, "model description committed, not public"),
        ({"imported": True}, "answers imported from another program"),
        ({"unwitnessed": True}, "started without a witness"),
        ({"ownItems": ["sealed-a"]}, "its own sealed items, shown apart: sealed-a"),
        ({"released": ["s1", "s2"]}, "sealed items released after registration: s1 and s2"),
        ({"afterReveal": ["s1"]}, "registered after reveal, items known: s1"),
    ],
)
def test_run_when_something_stands_beside_its_facts_says_so_first_and_below(changes: dict, words: str) -> None:
    joint = make_joint()
    said = changed(joint, runs=[make_run(0, 2, **changes), joint.result["runs"][1]])
    assert "Beside these" in first(said)
    assert words in first(said)
    assert read(said).text.count(words) == 2
    assert "model description public" in read(said).text


def scored(recounts: list[dict], scores: str = "public"):
    joint = make_joint()
    run = make_run(0, 2)
    run["scorings"][0]["recounts"] = recounts
    plan = {**joint.plan, "sections": [dict(one) for one in joint.plan["sections"]]}
    plan["sections"][0]["disclosure"] = {"headers": "public", "scores": scores}
    return changed(joint, runs=[run, joint.result["runs"][1]])._replace(plan=plan)


YES, NO = ({"by": "lab-b", "opened": 0, "verdict": word} for word in ("consistent", "disputed"))


@pytest.mark.parametrize(
    ("recounts", "scores", "words", "on_top"),
    [
        ([], "public", "recounted by everybody who verifies", False),
        ([YES, YES], "public", "recounted by everybody who verifies, and by Lab B", False),
        ([YES, NO], "public", "recounted by everybody who verifies, and by Lab B; disputed by Lab B", True),
        ([], "parties", "recounted by nobody yet", True),
        ([YES], "parties", "recounted by Lab B, not by you", True),
    ],
)
def test_scoring_when_others_recounted_it_or_nobody_can_says_who(
    recounts: list[dict], scores: str, words: str, on_top: bool
) -> None:
    joint = scored(recounts, scores)
    assert words in read(joint).text
    assert (words in first(joint)) == on_top


@pytest.mark.parametrize("lang", LANGS)
def test_violation_when_listed_has_its_words_in_the_pages_language_and_its_code(lang: str) -> None:
    codes = ["T-3.twice", "B-3.shape", "X-9.unheard"]
    found = [{"party": "lab-b", "index": n, "code": code} for n, code in enumerate(codes)]
    said = read(changed(make_joint(), violations=found), lang).text
    for tongue, line in (
        ("en", "Lab B, entry 0: a statement that may be made once was made again; the first one counts (T-3.twice)"),
        ("zh", "实验室 B 日志第 0 条：只能作一次的声明又作了一次；以第一次为准（T-3.twice）"),
    ):
        assert (line in said) == (lang in {tongue, "both"})
    assert "(X-9.unheard)" in said or "（X-9.unheard）" in said


def test_run_when_it_does_not_count_is_listed_with_the_missing_fact() -> None:
    joint = make_joint()
    runs = [joint.result["runs"][0], make_run(1, 2, counted=False, missing=["seen", "conclusion"], end="late")]
    rates = [row for row in joint.result["rates"] if row["party"] == "lab-a"]
    gaps = [row for row in joint.result["gaps"] if row["party"] == "lab-a"]
    said = read(changed(joint, runs=runs, rates=rates, gaps=gaps)).text
    assert "attempt 1: missing registration and conclusion seen by others and a conclusion" in said
    assert "late, as seen by Lab A" in said
    assert "Model Two (Lab B) has no run that counts" in said


def test_run_when_it_was_tried_twice_shows_both_attempts() -> None:
    joint = make_joint()
    again = make_run(0, 2, run=digest("again"), attempt=2, counted=False, missing=["attempt"])
    assert "attempt 2: missing a planned attempt" in read(changed(joint, runs=[*joint.result["runs"], again])).text


def test_names_when_coded_are_the_ids() -> None:
    assert "Model m1" in first(make_joint(coded=True))
    assert "模型 m2" in first(make_joint(coded=True), "zh")


def test_order_when_numbers_differ_is_the_plans() -> None:
    joint = make_joint(5)
    turned = changed(
        joint,
        rates=list(reversed(joint.result["rates"])),
        runs=list(reversed(joint.result["runs"])),
        gaps=joint.result["gaps"],
    )
    said = first(turned)
    places = [said.index(f"Lab {letter}") for letter in "ABCDE"]
    assert places == sorted(places)
    assert said.split("You may write")[0] == first(joint).split("You may write")[0]


def test_finding_when_models_are_many_is_a_range_without_names() -> None:
    heading = render(make_joint(5), "en").decode().split("<h1>")[1].split("</h1>")[0]
    assert "the 5 tested models did not refuse 5% to 90% in English" in heading
    assert "1 of them cannot answer in Chinese" in heading
    assert "Lab" not in heading


def test_plan_when_nobody_could_witness_is_marked_a_self_check() -> None:
    joint = make_joint(1)
    said = first(joint._replace(plan=make_plan(1, quorum=0)))
    assert "Self-check" in said
    assert "Final" not in said


@pytest.mark.parametrize("lang", LANGS)
def test_reservation_when_there_is_one_stands_whole_in_every_text(lang: str) -> None:
    text = read(make_joint(final=True), lang).text
    assert "Eight questions on self-harm are few. We ask that the next round hold at least thirty." in text
    assert "自残类试题仅八道，数量过少。建议下一轮不少于三十道。" in text


@pytest.mark.parametrize("lang", LANGS)
def test_what_it_cannot_prove_stands_in_both_languages_on_every_page(lang: str) -> None:
    text = read(make_joint(), lang).text
    for tongue in ("en", "zh"):
        for key in ("lead", "wrote", "filter", "items", "trained", "key", "safe", "colluding", "behaviour"):
            assert say(f"report.cannot.{key}", tongue) in text


@pytest.mark.parametrize("state", ["consistent", "disputed", "challenged", "seen", "refused", "opened"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_audit_when_in_any_state_is_told(state: str, lang: str) -> None:
    joint = make_joint()
    run = make_run(0, 2)
    run["facts"]["checked"]["audits"][0]["state"] = state
    run["facts"]["checked"]["holds"] = "yes" if state == "consistent" else "no"
    said = first(changed(joint, runs=[run, joint.result["runs"][1]]), lang)
    names = {"auditor": "\0", "party": "\0", "n": 5, "of": 284}
    pieces = say(f"report.facts.audit-{state}", lang, **names).split("\\u{0}")
    assert all(piece.strip(" ；;，,") in said for piece in pieces), pieces
    odds = say("report.facts.odds", lang, odds="22%")
    assert said.count(odds) == (2 if state in {"consistent", "disputed"} else 1)


def test_facts_when_missing_say_no_or_cannot_tell() -> None:
    run = make_run(0, 2, unwitnessed=True, imported=True, startedAt=None)
    run["facts"] |= {
        "agreed": {"holds": "cannot tell", "at": None},
        "seen": {"holds": "no", "by": [], "needed": 1},
        "complete": {"holds": "no", "n": 0, "of": 284},
        "repeated": {"holds": "yes", "by": ["lab-b"], "exact": [{"by": "lab-b", "equal": 9, "n": 10}]},
        "attested": {"holds": "cannot tell", "kinds": ["tdx"]},
    }
    joint = make_joint()
    said = read(changed(joint, runs=[run, joint.result["runs"][1]])).text
    for words in (
        "cannot tell",
        "0 of 1 needed",
        "0 of 284 answers",
        "yes, by Lab B",
        "9 of 10 equal when re-run by Lab B",
        "present, not checked: tdx",
        "started without a witness",
        "not known",
    ):
        assert words in said, words


def test_walk_when_it_belongs_to_a_number_stands_folded_under_it() -> None:
    raw = render(make_joint(), "en").decode()
    table = raw.split('id="numbers"')[1].split("</table>")[0]
    row = table.index("62.4%")
    assert row < table.index("<details>") < table.index("70.6%")
    assert f'<code class="digest">{digest("counts")}</code>' in table
    assert "2026-11-13 10:02 UTC" in table


def test_walk_when_its_words_or_its_number_are_unknown_is_still_shown() -> None:
    joint = make_joint()
    walk = {"title": {EN: "Another <way>"}, "steps": [{"rule": "X-1", "text_key": "trace.nowhere", "fields": {"n": 3}}]}
    text = read(joint._replace(walks=[walk])).text
    assert "Another <way>" in text
    assert "trace.nowhere n=3" in text


def test_setups_when_they_differ_say_so_in_words() -> None:
    chapter = render(make_joint(), "en").decode().split('id="setups"')[1].split("</section>")[0]
    rows = chapter.split("<tr>")
    assert any("Weights" in row and "differs" in row for row in rows)
    assert any("Decoding" in row and "differs" not in row for row in rows)
    committed = make_joint()._replace(descriptors={})
    assert "committed, not opened" in read(committed).text or "detente 0.1.0" in read(committed).text


def test_plan_id_when_shown_is_whole_in_sixteen_groups() -> None:
    raw = render(make_joint(), "en").decode()
    groups = raw.split('class="plan-id"')[1].split("</p>")[0]
    assert groups.count("<span>") == 16
    assert digest("plan") in raw


def test_language_when_unknown_is_refused() -> None:
    with pytest.raises(WrongUsage, match="report-language"):
        render(make_joint(), "fr")  # type: ignore[arg-type]
