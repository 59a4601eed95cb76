# SPDX-License-Identifier: Apache-2.0
"""Where a command line enters: the list of verbs, each verb's module loaded when called, errors turned into exit codes.

0 true and passed · 1 true and the gate failed · 2 wrong usage · 3 not verified · 4 could not tell
"""

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import click

from detente import __version__
from detente.cli.build import SpokenGroup, headed, help_option, write_options
from detente.cli.speech import Speech
from detente.errors import CannotTell, DetenteError, WrongUsage
from detente.words import language, say

# verb -> the module that holds it; the order is the order of the story, and of --help
VERBS = {
    "demo": "stranger", "init": "agree", "plan": "agree", "board": "stranger", "run": "running", "status": "running",
    "score": "running", "publish": "running", "witness": "agree", "audit": "audit", "verify": "stranger",
    "trace": "stranger", "report": "stranger", "close": "audit", "pack": "stranger", "unpack": "stranger",
    "rehearse": "rehearse",
}  # fmt: skip


class Verbs(SpokenGroup):
    """The verbs, listed without loading them."""

    def __init__(self, lang: str) -> None:
        super().__init__("detente", help=say("cli.help.detente", lang), add_help_option=False)
        self.lang = lang
        self.no_args_is_help = False
        self.params = [
            click.Option(["--lang"], metavar="en|zh", help=say("cli.option.lang", lang), expose_value=False),
            click.Option(
                ["--version"],
                is_flag=True,
                is_eager=True,
                callback=_version,
                expose_value=False,
                help=say("cli.option.version", lang),
            ),
            help_option(lang),
        ]

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        """The verbs in the order of the story."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's own signature
        """Load a verb's module and build the command in the language spoken."""
        if cmd_name not in VERBS:
            return None
        module = import_module(f"detente.cli.{VERBS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)(self.lang)
        return command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options, then one line a verb from the words: no module is loaded for --help."""
        write_options(self, ctx, formatter, self.lang)
        with headed(formatter, "verbs", self.lang):
            formatter.write_dl([(verb, say(f"cli.verb.{verb}.short", self.lang)) for verb in VERBS])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's own signature
        """A first command to try."""
        formatter.write_paragraph()
        formatter.write(say("cli.help.epilog", self.lang) + "\n")


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        print(f"detente {__version__}")
        ctx.exit()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code and never shows a traceback."""
    words = list(sys.argv[1:] if argv is None else argv)
    lang, words = _take_language(words)
    speech = Speech(lang, "--json" in words)
    _survive_narrow_terminals()
    try:
        result = Verbs(lang).main(args=words or ["--help"], prog_name="detente", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except DetenteError as error:
        speech.error(error)
        return error.exit_code
    except click.exceptions.ClickException as error:
        translated = _from_click(error)
        speech.error(translated)
        return translated.exit_code
    except (click.exceptions.Abort, KeyboardInterrupt):
        speech.say("stopped")
        return CannotTell.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        speech.error(_from_os(error))
        return CannotTell.exit_code
    except Exception as error:
        if os.environ.get("DETENTE_DEBUG"):
            traceback.print_exc()
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        speech.error(CannotTell("our-bug", place, got=f"{type(error).__name__}: {error}"))
        return CannotTell.exit_code


def _take_language(words: list[str]) -> tuple[str, list[str]]:
    """``--lang`` may stand anywhere, because help texts must know it before they are built."""
    flag, rest = None, []
    skip = False
    for here, word in enumerate(words):
        if skip:
            skip = False
        elif word == "--lang" and here + 1 < len(words):
            flag, skip = words[here + 1], True
        elif word.startswith("--lang="):
            flag = word.removeprefix("--lang=")
        else:
            rest.append(word)
    return language(flag, os.environ), rest


def _survive_narrow_terminals() -> None:
    """A terminal that cannot show Chinese shows escapes instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _from_click(error: click.exceptions.ClickException) -> WrongUsage:
    """Click's errors in our words: it speaks English only."""
    if isinstance(error, click.exceptions.NoSuchOption):
        near = ", ".join(error.possibilities or [])
        return WrongUsage("cli-no-option", got=error.option_name, expected=near or None)
    if isinstance(error, click.exceptions.NoSuchCommand):
        return WrongUsage("cli-no-verb", got=error.command_name, expected=" ".join(VERBS))
    if isinstance(error, click.exceptions.MissingParameter):
        name = error.param.opts[-1] if error.param and error.param.opts else "?"
        metavar = error.param.human_readable_name if error.param else name
        return WrongUsage("cli-missing", expected=name if name.startswith("-") else metavar)
    if isinstance(error, click.exceptions.BadParameter):
        return WrongUsage("cli-bad-value", got=error.message, expected=error.param.opts[-1] if error.param else None)
    return WrongUsage("cli-usage", got=error.message)


def _from_os(error: OSError) -> CannotTell:
    codes = {
        errno.ENOSPC: "disk-full",
        errno.EACCES: "no-permission",
        errno.EPERM: "no-permission",
        errno.EROFS: "no-permission",
    }
    return CannotTell(codes.get(error.errno or 0, "disk-fault"), str(error.filename or ""), got=error.strerror)
