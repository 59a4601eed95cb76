# SPDX-License-Identifier: Apache-2.0
"""What parsers and the operating system say, told in our words: they speak English only, and of their own types.

One table for all messages (``cli.reason.<key>``): an error keeps the parser's text as a value, and
``in_words`` says it again when the message is shown. Text that no row knows is shown as it is.
"""

import errno
import os
import re

from detente.words import say

# The message as a whole; named groups become the sentence's values.
REASONS = {
    # msgspec, of a value that is not of its shape
    "unknown": re.compile(r"Object contains unknown field `(?P<name>[^`]*)`"),
    "missing": re.compile(r"Object missing required field `(?P<name>[^`]*)`"),
    "kind": re.compile(r"Expected `(?P<wanted>[^`]*)`, got `(?P<found>[^`]*)`"),
    "short": re.compile(r"Expected `(?P<wanted>[^`]*)` of length >= (?P<n>\d+)"),
    "long": re.compile(r"Expected `(?P<wanted>[^`]*)` of length <= (?P<n>\d+)"),
    "low": re.compile(r"Expected `(?:int|float)` >= (?P<n>-?[\d.]+)"),
    "high": re.compile(r"Expected `(?:int|float)` <= (?P<n>-?[\d.]+)"),
    "pattern": re.compile(r"Expected `str` matching regex '(?P<pattern>.*?)'(?= - at |$)"),
    "enum": re.compile(r"Invalid enum value (?P<name>'[^']*'|-?\d+)"),
    "range": re.compile(r"(?:Integer value|Number) out of range"),
    # a kind alone
    "found": re.compile(r"`(?P<found>int|str|bool|null|object|array|float)`$"),
    # JSON and TOML that cannot be read at all: msgspec, json and orjson, tomllib
    "json-byte": re.compile(r"JSON is malformed: (?P<why>.*) \(byte (?P<byte>\d+)\)$"),
    "cut": re.compile(r"Input data was truncated$"),
    "json": re.compile(r"(?P<why>.*): line (?P<line>\d+) column (?P<column>\d+) \(char \d+\)$"),
    "toml": re.compile(r"(?P<why>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)$"),
    "toml-end": re.compile(r"(?P<why>.*) \(at end of document\)$"),
    "utf-8": re.compile(r"'utf-?8' codec can't decode bytes? .* in position (?P<byte>\d+)(?:-\d+)?: .*$"),
    "deep": re.compile(r"maximum recursion depth exceeded.*$"),
    "digits": re.compile(r"Exceeds the limit \(\d+ digits\).*$"),
    # archives and packed files
    "no-zip": re.compile(r"File is not a zip file$"),
    "crc": re.compile(r"Bad CRC-32 for file (?P<name>.*)$"),
    "encrypted": re.compile(r"File (?P<name>.*) is encrypted, password required for extraction$"),
    "method": re.compile(r"That compression method is not supported$"),
    "packed": re.compile(r"(?:Error -\d+ while decompressing data|Bad magic number for|Truncated file header).*$"),
    # a function that is not there
    "no-module": re.compile(r"(?:ModuleNotFound|Import)Error: No module named '(?P<name>[^']*)'$"),
    "no-function": re.compile(r"AttributeError: module '(?P<module>[^']*)' has no attribute '(?P<name>[^']*)'.*$"),
}
# Why JSON or TOML cannot be read there: the first that fits; ``other`` if none does.
WHYS = {
    "twice": re.compile(r"overwrite|twice|Duplicate|immutable|redefine"),
    "equals": re.compile(r"Expected '='"),
    "unclosed": re.compile(
        r"Unterminated|Unclosed|Expected '(?:\]|\}|\"|'')|expected '\"'|at the end of|unexpected end"
    ),
    "escape": re.compile(r"[Uu]nescaped|[Ee]scape|hex value|surrogate"),
    "key": re.compile(r"key part|Invalid statement"),
    "comma": re.compile(r"trailing comma|delimiter|expected '[,:]'|expected `[,:]`"),
    "after": re.compile(r"[Tt]railing characters|Extra data|newline or end of document"),
    "date": re.compile(r"date"),
    "quotes": re.compile(r"property name|object key"),
    "bytes": re.compile(r"UTF-8"),
    "character": re.compile(r"character"),
    "value": re.compile(r"Invalid value|Expecting value|number|literal"),
}
# What the operating system says of a disk, by the name of its error.
SYSTEM = ("EIO", "EISDIR", "ENOTDIR", "ENAMETOOLONG", "ELOOP", "EMFILE", "EINVAL", "EBUSY", "ESTALE", "EEXIST")
# The closed words for why there is no reply; what else stands there is a status or a provider's own code.
FAULTS = {
    "connect", "no-such-host", "timeout", "reset", "half-body", "html", "not-json", "not-an-object", "no-choice",
    "no-text", "certificate", "rate-limit", "server", "unavailable", "error", "worker-lost", "no-worker",
}  # fmt: skip
KIND = re.compile(r"\b(int|str|bool|null|object|array|float)\b")
PLACE = re.compile(r" - at `(?P<path>[^`]*)`$")


def in_words(text: str, lang: str) -> str:
    """A reason that a parser or the operating system gave, in our words; any other text as it is."""
    for name in SYSTEM:
        if text in {name, os.strerror(getattr(errno, name))}:
            return say(f"cli.system.{name}", lang)
    for key, pattern in REASONS.items():
        if found := pattern.match(text):
            fields = {name: _told(name, value, lang) for name, value in found.groupdict().items()}
            rest = text[found.end() :]
            where = PLACE.fullmatch(rest)
            behind = say("cli.reason.where", lang, path=where["path"]) if where else rest
            return say(f"cli.reason.{key}", lang, **fields) + behind
    return text


def fault_in_words(word: str, lang: str) -> str:
    """Why a model gave no reply, where the word for it is one of our own (``run.reply``); a provider's code as it is."""
    return say(f"cli.fault.{word}", lang) if word in FAULTS else word


def _told(name: str, value: str, lang: str) -> str:
    """One value of a reason: a type by our name for it, a parser's complaint by its kind, anything else as it is."""
    if name in {"wanted", "found"}:
        return KIND.sub(lambda kind: say(f"cli.kind.{kind[1]}", lang), value).replace(" | ", say("cli.kind.or", lang))
    if name == "why":
        kind = next((key for key, pattern in WHYS.items() if pattern.search(value)), "other")
        return say(f"cli.why.{kind}", lang)
    return value
