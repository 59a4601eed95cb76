# SPDX-License-Identifier: Apache-2.0
"""The chapter that sets attack variants beside the plain questions: one column a way of asking, in every language."""

from detente.report.markup import Html, el, table
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
    head = [voice.say("numbers.model"), voice.say("numbers.language"), voice.say("attacks.plain")]
    head += [voice.say("attacks.varied", variant=reading.variant_name(measure)) for measure in measures[1:]]
    rows = []
    for trial in reading.trials(section):
        for tag in reading.languages(section):
            row = [el("th", voice.show(reading.who(trial)), scope="row"), el("td", voice.show(language(tag)))]
            for measure in measures:
                cell = reading.rate(trial, measure["id"], tag)
                row.append(cell_text(voice, cell, reading.why_no_number(trial, cell, [tag], brief=True)))
            rows.append(row)
    view = spoken("figure.as-deployed" if reading.views[0] == "asDeployed" else "figure.model-alone")
    name, part = reading.measure_name(measures[0]), section_name(reading, section)
    caption = voice.say("attacks.caption", n=tally.table(), measure=name, section=part, view=view)
    return table(head, rows, caption, numbers=range(2, len(head)), class_="numbers")
