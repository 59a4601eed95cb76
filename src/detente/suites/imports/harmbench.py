# SPDX-License-Identifier: Apache-2.0
"""HarmBench behaviours: CSV with Behavior, SemanticCategory, BehaviorID and ContextString, or with ImageFileName where they go with pictures."""

from detente.suites.findings import Finding, found
from detente.suites.imports.building import Order, Piece
from detente.suites.imports.files import need_columns, read_all
from detente.suites.imports.tables import PLAIN

COLUMNS = ("Behavior", "FunctionalCategory", "SemanticCategory", "BehaviorID")
CONTEXT, PICTURE = "ContextString", "ImageFileName"


def read(order: Order, told: list[Finding]) -> list[Piece]:
    """One piece a behaviour, its context before it as HarmBench's own direct request puts it; those with an image are left out."""
    pieces = []
    for record in read_all(order.src, COLUMNS, PLAIN, ".csv"):
        if PICTURE not in record.cells:  # the published file of behaviours with pictures has no contexts
            need_columns(record, [CONTEXT])
        context, behaviour = record.word(CONTEXT), record.word("Behavior")
        text = f"{context}\n\n---\n\n{behaviour}" if context else behaviour
        piece = Piece(record, record.key("BehaviorID"), "en", text, record.key("SemanticCategory"))
        if record.word(PICTURE):
            told.append(found("import-left-out", piece.spot, got=PICTURE))
        else:
            pieces.append(piece)
    return pieces
