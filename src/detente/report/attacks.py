# SPDX-License-Identifier: Apache-2.0
"""The chapter that sets attack variants beside the plain questions: one row a way of asking, in every language."""

from detente.report.markup import Child, Html, el, joined, table
from detente.report.reading import Reading, Row
from detente.report.sections import Tally, cell_text, chapter, section_name
from detente.report.voice import Voice, language, spoken


def attacks(reading: Reading, voice: Voice, tally: Tally) -> list[Html]:
    """The chapter, alone in a list; an empty list where the plan has no variants (S-3)."""
    found = [
        _table(reading, voice, tally, section, [plain, *varied])
        for section in reading.sections()
        for plain in (reading.headline(), reading.refusals())
        if plain is not None and (varied := _varied(reading, plain, section))
    ]
    return [chapter(voice, "attacks", found)] if found else []


def _varied(reading: Reading, plain: Row, section: str) -> list[Row]:
    """The measures of the same name that count variants in this section, in plan order."""
    here = {suite["id"] for suite in reading.plan["suites"] if suite["section"] == section}
    return [m for m in reading.measures(plain["name"]) if reading.variants(m) and here & set(m["suites"])]


def _table(reading: Reading, voice: Voice, tally: Tally, section: str, measures: list[Row]) -> Html:
    """Ways of asking down, models and languages across: more variants make it longer, not wider."""
    across = [(trial, tag) for trial in reading.trials(section) for tag in reading.languages(section)]
    head: list[Child] = [voice.say("attacks.asked")]
    for trial, tag in across:
        head.append(joined(voice.lines([voice.show(reading.who(trial)), voice.show(language(tag))])))
    rows = []
    for measure in measures:
        asked = spoken("attacks.plain")
        if reading.variants(measure):
            asked = spoken("attacks.varied", variant=reading.variant_name(measure))
        row = [el("th", voice.show(asked), scope="row")]
        for trial, tag in across:
            cell = reading.rate(trial, measure["id"], tag)
            row.append(cell_text(voice, cell, reading.why_no_number(trial, cell, [tag], brief=True)))
        rows.append(row)
    view = spoken("figure.as-deployed" if reading.views[0] == "asDeployed" else "figure.model-alone")
    name, part = reading.measure_name(measures[0]), section_name(reading, section)
    caption = voice.say("attacks.caption", n=tally.table(), measure=name, section=part, view=view)
    return table(head, rows, caption, numbers=range(1, len(head)), class_="numbers")
