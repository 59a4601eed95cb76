# SPDX-License-Identifier: Apache-2.0
"""The parts that verbs are built from: a command with its help from the words, and the options several verbs share."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from detente.cli.speech import Speech, folded, padded, wide
from detente.errors import WrongUsage
from detente.words import say


def help_option(lang: str) -> click.Option:
    """``--help`` in the language spoken; click's own speaks English only."""

    def show(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            print(ctx.get_help())
            ctx.exit()

    return click.Option(
        ["--help", "-h"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help=say("cli.option.help", lang),
    )


class SpokenCommand(click.Command):
    """A command whose headings speak the language too; click's own speak English only."""

    lang = "en"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The words of a command line; what does not fit is told in our words."""
        ctx.allow_extra_args = True
        rest = parse_spoken(super().parse_args, self, ctx, args)
        if rest and not ctx.resilient_parsing:
            raise WrongUsage("cli-too-many", got=" ".join(rest))
        return rest

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The usage line."""
        write_usage(self, ctx, formatter, self.lang)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options under their heading."""
        write_options(self, ctx, formatter, self.lang)


Parse = Callable[[click.Context, list[str]], list[str]]


def parse_spoken(parse: Parse, command: click.Command, ctx: click.Context, args: list[str]) -> list[str]:
    """``parse``, its complaint about a value that is missing or too much in our words (click's are English only)."""
    try:
        return parse(ctx, args)
    except click.exceptions.BadOptionUsage as error:
        name = error.option_name
        flag = any(name in param.opts and getattr(param, "is_flag", False) for param in command.get_params(ctx))
        raise WrongUsage("cli-no-value" if flag else "cli-needs-value", got=name) from error


def write_usage(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter, lang: str) -> None:
    """A usage line, its heading and its pieces in the language spoken."""
    pieces = " ".join(command.collect_usage_pieces(ctx)).replace("[OPTIONS]", say("cli.help.options-piece", lang))
    pieces = pieces.replace("COMMAND [ARGS]...", say("cli.help.verb-piece", lang))
    formatter.write_usage(ctx.command_path, pieces, say("cli.help.usage", lang) + " ")


@contextmanager
def headed(formatter: click.HelpFormatter, key: str, lang: str) -> Iterator[None]:
    """A part of a help page under its heading, the colon being the language's own."""
    formatter.write_paragraph()
    formatter.write(f"{say(f'cli.help.{key}', lang)}\n")
    formatter.indent()
    try:
        yield
    finally:
        formatter.dedent()


def write_options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter, lang: str) -> None:
    """The options of a command, under a heading in the language spoken."""
    shown = [param for param in command.get_params(ctx) if isinstance(param, click.Option)]
    records = [record for param in shown if (record := param.get_help_record(ctx)) is not None]
    if records:
        with headed(formatter, "options", lang):
            write_pairs(formatter, records, lang)


def write_pairs(formatter: click.HelpFormatter, pairs: Sequence[tuple[str, str]], lang: str) -> None:
    """Names and what they mean, side by side. click folds by characters, and a Han character is two columns wide."""
    if lang == "en":
        formatter.write_dl(pairs)
        return
    first = min(max(wide(name) for name, _ in pairs), 30)
    for name, text in pairs:
        lines = folded(text, formatter.width - formatter.current_indent - first - 2)
        lead = [name] if wide(name) > first else []
        for n, line in enumerate(lines):
            lead.append(f"{padded('' if lead or n else name, first)}  {line}")
        for line in lead:
            formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


def told(text: str, lang: str) -> str:
    """A paragraph of help: click folds English itself, Chinese is folded here and left alone there."""
    return text if lang == "en" else "\b\n" + "\n".join(folded(text, 76))


class SpokenGroup(click.Group):
    """The same for a noun with its verbs."""

    lang = "en"

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        """The verbs in the order they are told."""
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The words up to the verb; without any the verbs are named."""
        bare = not args
        rest = parse_spoken(super().parse_args, self, ctx, args)
        if bare and not ctx.resilient_parsing:
            raise WrongUsage("cli-missing", expected=" | ".join(self.list_commands(ctx)))
        return rest

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The usage line."""
        write_usage(self, ctx, formatter, self.lang)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options and then the verbs, each under its heading."""
        write_options(self, ctx, formatter, self.lang)
        with headed(formatter, "verbs", self.lang):
            write_pairs(
                formatter, [(name, one.get_short_help_str(200)) for name, one in self.commands.items()], self.lang
            )


class SpokenVerbs(SpokenGroup):
    """A verb with verbs of its own: given bare, it does its own work."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The words up to such a verb."""
        return parse_spoken(super(SpokenGroup, self).parse_args, self, ctx, args)


def example_of(key: str, lang: str) -> str:
    """The end of every help page: an example that runs."""
    example = say(f"cli.verb.{key}.example", lang)
    return f"\b\n{say('cli.help.example', lang)}\n{example}"


def verb(key: str, lang: str, params: Sequence[click.Parameter], call: Callable[..., int | None]) -> click.Command:
    """A command whose help, ending in a runnable example, comes from ``cli.verb.<key>``."""
    made = SpokenCommand(
        key.rpartition("-")[2],
        callback=call,
        params=[*params, help_option(lang)],
        help=told(say(f"cli.verb.{key}.help", lang), lang),
        short_help=say(f"cli.verb.{key}.short", lang),
        epilog=example_of(key, lang),
        add_help_option=False,
    )
    made.lang = lang
    return made


def verb_with(
    key: str,
    lang: str,
    params: Sequence[click.Parameter],
    call: Callable[..., int | None],
    commands: Sequence[click.Command],
) -> click.Group:
    """A verb that also has verbs of its own, as ``run`` has ``run abort``; options before one of these are refused (cli-order)."""

    def alone(**given: Any) -> int | None:
        ctx = click.get_current_context()
        if ctx.invoked_subcommand is None:
            return call(**given)
        for param in made.params:
            if ctx.get_parameter_source(param.name or "") is click.core.ParameterSource.COMMANDLINE:
                raise WrongUsage("cli-order", expected=ctx.invoked_subcommand, got=max(param.opts, key=len))
        return None

    made = SpokenVerbs(
        key,
        callback=alone,
        params=[*params, help_option(lang)],
        help=told(say(f"cli.verb.{key}.help", lang), lang),
        short_help=say(f"cli.verb.{key}.short", lang),
        epilog=example_of(key, lang),
        commands=list(commands),
        add_help_option=False,
        invoke_without_command=True,
        subcommand_metavar=f"[{' | '.join(str(one.name) for one in commands)}]",
    )
    made.lang = lang
    return made


def group(key: str, lang: str, commands: Sequence[click.Command]) -> click.Group:
    """A noun with its verbs, for ``plan`` and ``audit``."""
    made = SpokenGroup(
        key,
        help=told(say(f"cli.verb.{key}.help", lang), lang),
        epilog=example_of(key, lang),
        short_help=say(f"cli.verb.{key}.short", lang),
        commands=list(commands),
        add_help_option=False,
        params=[help_option(lang)],
    )
    made.no_args_is_help = False
    made.lang = lang
    return made


class SpokenOption(click.Option):
    """An option whose marks in the help (must be given, default) speak the language."""

    lang = "en"

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The option's line of help."""
        record = super().get_help_record(ctx)
        if record is None:
            return None
        text = record[1].replace("[required]", say("cli.help.required", self.lang))
        if self.show_default:
            text = text.replace(f"[default: {self.default}]", say("cli.help.default", self.lang, value=self.default))
        return record[0], text


class Whole(click.types.IntParamType):
    """A whole number within limits; what does not fit is told in our words."""

    name = "n"

    def __init__(self, low: int, high: int = 2**31 - 1) -> None:
        self.low, self.high = low, high

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ARG002 - click's own signature
        """``value`` as a number; WrongUsage (cli-bad-value) names the option and the limits."""
        digits = str(value)
        if digits.isascii() and digits.isdigit() and len(digits) < 20 and self.low <= int(digits) <= self.high:
            return int(digits)
        where = max(param.opts, key=len) if param else ""
        raise WrongUsage("cli-bad-value", expected=f"{self.low}..{self.high}", got=value, option=where)


def option(name: str, lang: str, **more: Any) -> click.Option:
    """An option whose help is ``cli.option.<name>`` (dashes kept)."""
    declared = [f"--{name}", *([more.pop("letter")] if "letter" in more else [])]
    key = more.pop("help_key", name)
    made = SpokenOption(declared, help=say(f"cli.option.{key}", lang), **more)
    made.lang = lang
    return made


def under(name: str, made: click.Option) -> click.Option:
    """An option whose own name is a word of Python's (``--in``, ``--from``), given to the call under another."""
    made.name = name
    return made


def argument(name: str, **more: Any) -> click.Argument:
    """A positional argument, shown in capitals."""
    return click.Argument([name], **more)


def desk_option(lang: str) -> click.Option:
    """``--desk``: where the lab's private folder lies (environment: DETENTE_DESK; else here)."""
    return option("desk", lang, envvar="DETENTE_DESK", default=".", type=click.Path(path_type=Path), metavar="DIR")


def reader_option(lang: str) -> click.Option:
    """``--desk`` of a verb that needs none: with it, what was sent to this lab alone is read, too (P-5)."""
    return option("desk", lang, type=click.Path(path_type=Path), metavar="DIR", help_key="reader-desk")


def words_option(lang: str) -> click.Option:
    """``--words``: a lab's own word list (docs/reference/scorers/keywords.md)."""
    return option("words", lang, type=click.Path(path_type=Path), metavar="FILE")


def judge_options(lang: str, help_key: str = "judge") -> list[click.Option]:
    """``--judge`` and ``--judge-key-env``: the models behind a judge or a guard."""
    return [
        option("judge", lang, multiple=True, metavar="SPEC", help_key=help_key),
        option("judge-key-env", lang, multiple=True, metavar="VARIABLE"),
    ]


def plan_option(lang: str) -> click.Option:
    """``--plan``: the plan id, compared outside the exchange; it has no default."""
    return option("plan", lang, metavar="ID")


def json_option(lang: str) -> click.Option:
    """``--json``: for machines."""
    return option("json", lang, is_flag=True, default=False)


def plan_id(text: str | None) -> str | None:
    """A plan id as typed: 64 hex digits, spaces between the groups of four allowed; WrongUsage (bad-plan-id)."""
    if text is None:
        return None
    digits = "".join(text.lower().split())
    odd = [c for c in dict.fromkeys(digits) if c not in "0123456789abcdef"]
    if len(digits) != 64 or odd:
        raise WrongUsage("bad-plan-id", "--plan", got=text, n=len(digits), odd=" ".join(odd) or "-")
    return digits


def by_tag(pairs: Sequence[str], option_name: str, form: str = "TAG=TEXT") -> dict[str, str]:
    """``en=Lab A`` options as a mapping; WrongUsage (bad-pair) names the one that has no ``=`` and its ``form``."""
    found = {}
    for pair in pairs:
        key, sep, value = pair.partition("=")
        if not sep or not key or not value:
            raise WrongUsage("bad-pair", option_name, expected=form, got=pair)
        if key in found:
            raise WrongUsage("pair-twice", option_name, got=f"{key}=")
        found[key] = value
    return found


def voice(lang: str, json: bool = False) -> Speech:
    """The voice of one command."""
    return Speech(lang, json)
