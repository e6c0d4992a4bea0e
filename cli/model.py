"""`imgen model`: puts models in service and takes them out, while the server runs."""

import argparse
import asyncio
import contextlib
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.check_result import CheckResult, Soundness
from cli.checkpoint_checks import (
    CheckpointOptions,
    check_disk,
    check_drawing,
    check_export_memory,
    read_forecast,
)
from cli.client import ServerAccess
from cli.console import console, print_json
from cli.errors import UserError, print_error
from cli.export import add_checkpoint, add_export_options, find_exporter, run_exporter
from cli.first_picture import PROMPT, draw_command, first_picture, slow_settings, told_entry, told_memory
from cli.help import Commands, command
from cli.in_service import offered_models, wait_until_taken_up
from cli.instance import Instance, Serving
from cli.order import ClientOrder
from cli.order_run import DrawnPicture, OrderRun
from cli.output_name import OutputName
from cli.redis_access import open_redis
from cli.stage import stage
from contract.names import DENOISER, network_name
from contract.repositories import networks_of
from embedded.models.errors import ModelError
from embedded.models.service import ModelRow, ModelService
from embedded.models.triton_control import TritonControl
from embedded.starter_entry import STYLES, EntryOptions, StyleTerms, adapters_of, label_of
from embedded.triton import forget_compiled
from frontend.common.printable import printable_lines
from frontend.prompts.terms import is_negative, split, strip_dashes
from frontend.settings import Settings, load

NICENESS = 10  # of the exporter: pictures are drawn meanwhile
LOOK_EVERY_S = 0.5
LOOKS_WITHOUT_JOBS = 2  # one may come just before an order that was accepted with the old catalogue


def add(commands: Commands) -> None:
    examples = (
        "  imgen model add /models/my-sdxl.safetensors --name mine\n"
        '  imgen model add my-sd15/ --name ink --style "ink=ink drawing, black and white, -colour"\n'
        "  imgen model list\n"
        "  imgen model remove mine"
    )
    text = "Add, list and remove models, without a restart"
    parser = command(commands, "model", text, examples, lambda _: _show(as_json=False))
    verbs = parser.add_subparsers(metavar="VERB")
    _add_adder(verbs)
    remover = verbs.add_parser("remove", help="take a model out of service and delete its weights")
    remover.add_argument("name")
    remover.set_defaults(run=_remove)
    lister = verbs.add_parser("list", help="the models, what they draw with, and which is the default")
    lister.add_argument("--json", action="store_true", help="one JSON object a line")
    lister.set_defaults(run=lambda given: _show(as_json=given.json))


def _add_adder(verbs: Commands) -> None:
    adder = verbs.add_parser(
        "add", help="export a checkpoint, put it in service and draw a picture (needs `make install-export`)"
    )
    add_checkpoint(adder)
    adder.add_argument("--label", help="name to show (default: NAME with a capital)")
    adder.add_argument(
        "--style",
        action="append",
        default=[],
        metavar="NAME[=TERMS]",
        help=f"repeatable, the first one is the default: one of {', '.join(STYLES)} (all, where none is "
        "named), or a name of yours and its terms, such as 'ink=ink drawing, -colour'",
    )
    adder.add_argument("--steps", type=int, help="of every picture (default: usual of its kind)")
    adder.add_argument("--guidance", type=float, help="likewise; up to 1 means none")
    adder.add_argument(
        "--default", action="store_true", help="drawn with from now on where a client names no model"
    )
    adder.add_argument("-o", "--output", dest="picture", help="file of the test picture")
    adder.add_argument("--no-picture", action="store_true", help="draw no test picture")
    # Triton here has no backend for plans: those are for a Triton of one's own, see `imgen export`.
    add_export_options(adder, ("onnx", "inductor"))
    adder.set_defaults(run=_add)


def _add(given: argparse.Namespace) -> int:
    settings, out = load(), console(stderr=True)
    if settings.triton_urls:
        raise UserError(
            "models are added to the Triton that `imgen up` starts, and IMGEN_TRITON_URLS names another one; "
            f"use `imgen export {given.checkpoint} --name {given.name} --output REPOSITORY` and start it anew"
        )
    picture = OutputName.parse(given.picture, many=False)
    models, options = ModelService.of(settings), _parse_options(given)
    models.check_new(given.name)
    options.check(given.name)
    python = find_exporter()
    Instance(settings.data_dir).prepare()
    with models.held():
        models.check_new(given.name)
        _refuse_what_cannot_be(given, settings, models.networks.merged)
        if models.networks_of(given.name) and _serving(settings) is not None:
            asyncio.run(_wait_for_jobs(given.name, out))  # of one whose removal was stopped
        if code := run_exporter(python, given, models.networks.merged, niceness=NICENESS, tell_folders=False):
            return code
        return _offer(given, settings, models, options, picture, out)


def _parse_options(given: argparse.Namespace) -> EntryOptions:
    styles = dict(map(_parse_style, given.style)) or STYLES
    return EntryOptions(label=given.label or "", styles=styles, steps=given.steps, guidance=given.guidance)


def _parse_style(text: str) -> tuple[str, StyleTerms]:
    name, has_terms, terms = text.partition("=")
    if not has_terms:
        if name not in STYLES:
            known = ", ".join(STYLES)
            raise UserError(f"--style {name}: expected one of {known}, or NAME=TERMS for a style of your own")
        return name, STYLES[name]
    listed = split(terms)
    told = {
        "positive": ", ".join(term for term in listed if not is_negative(term)),
        "negative": ", ".join(strip_dashes(term) for term in listed if is_negative(term)),
    }
    return name, {"label": label_of(name), **{key: value for key, value in told.items() if value}}


def _refuse_what_cannot_be(given: argparse.Namespace, settings: Settings, output: Path) -> None:
    """Raises UserError for what `imgen doctor` would call bad of this checkpoint."""
    read = read_forecast(
        CheckpointOptions(
            checkpoint=given.checkpoint,
            vae=given.vae,
            like=given.like,
            text_encoders=given.text_encoder or (),
            prediction=given.prediction,
            spacing=given.spacing,
            sampler=given.sampler,
            zero_snr=given.zero_snr,
        )
    )
    if isinstance(read, CheckResult):
        raise UserError(read.told)
    # An estimate of the exporter is no reason to refuse: where it is right, nothing but time is lost.
    if (memory := check_export_memory(read)).state is not Soundness.GOOD:
        print_error(f"{memory.told}; {memory.remedy}")
    for each in (check_disk(read, output), *check_drawing(read, settings, output, given.name)):
        if each.state is Soundness.BAD:
            raise UserError(f"{each.told}; {each.remedy}")


def _offer(
    given: argparse.Namespace,
    settings: Settings,
    models: ModelService,
    options: EntryOptions,
    picture: OutputName,
    out: Console,
) -> int:
    """What was exported is loaded, then offered, then drawn with. 1 where no picture could be drawn."""
    name, serving = given.name, _serving(settings)
    if serving is not None and serving.triton_url:
        networks = networks_of([models.networks.merged], name)
        _load(TritonControl(settings.data_dir, serving.triton_url), networks, out)
    entry = models.offer(name, replace(options, order=models.order_of_new(default=given.default)))
    if serving is None or not serving.triton_url:
        print(printable_lines(first_picture(settings, name, models.networks.merged)))
        return 0
    with stage(out, f"waiting until the server offers {name}"):
        taken_up = wait_until_taken_up(name, settings.data_dir, offered=True, kind="models")
    if not taken_up:
        raise UserError(f"{name} is added, but the server does not offer it yet; see frontend.log")
    told = console()
    kind = adapters_of(models.networks.merged / network_name(name, DENOISER))
    told.print(told_entry(settings, name, entry, kind), soft_wrap=True)
    told.print(told_memory(settings, name, models.networks.merged), soft_wrap=True)
    first = models.default()
    as_before = "" if first == name else " as before"
    told.print(f"{name} is in service; where a client names no model, {first} is drawn with{as_before}")
    slow = slow_settings(models.networks.merged / network_name(name, DENOISER))
    code = 0 if given.no_picture else _draw(serving, name, picture, slow)
    told.print(f"\nThe next picture:\n\n  {draw_command(name)}\n", soft_wrap=True)
    return code


def _load(triton: TritonControl, networks: Sequence[str], out: Console) -> None:
    """All of a model's, or none. Raises ModelError."""
    try:
        for network in networks:
            with stage(out, f"loading {network}"):
                triton.unload(network)  # of a command that was killed, perhaps of another checkpoint
                triton.load(network)
    except BaseException:
        for network in networks:
            with contextlib.suppress(ModelError):
                triton.unload(network)
        raise


def _draw(serving: Serving, name: str, picture: OutputName, slow: Mapping[str, str]) -> int:
    """1 where it could not be. `slow`: settings without which it may take too long."""
    fields: Any = {"model": name}
    if picture.format:
        fields["format"] = picture.format
    order = ClientOrder(1, PROMPT, fields, secrets.token_hex(16))
    server = ServerAccess(serving.url, serving.key, supervised=True)
    drawn: list[DrawnPicture] = []
    asyncio.run(OrderRun(server, [order], picture, None).draw(drawn.append))
    (one,) = drawn
    if one.error:
        print_error(f"{name} is in service, but its test picture was not drawn: {one.error}")
        if slow:
            values = " ".join(f"{setting}={value}" for setting, value in slow.items())
            print_error(f"without a GPU it takes minutes: `imgen down`, then {values} imgen up")
        return 1
    assert one.file and one.meta
    facts = f"  {one.meta.width}x{one.meta.height}  seed {one.meta.seed}"
    console().print(Text.assemble((str(one.file), "bold"), facts), soft_wrap=True)
    return 0


def _remove(given: argparse.Namespace) -> int:
    settings, out, name = load(), console(stderr=True), given.name
    models = ModelService.of(settings)
    models.check_removable(name)
    with models.held():
        models.check_removable(name)
        networks = models.networks_of(name)
        models.withdraw(name)
        serving = _serving(settings)
        if serving is not None:
            _leave(serving, settings, name, networks, out)
        models.delete(name)
        forget_compiled(settings.data_dir, networks)
    words = f"{name} is out of service, and its weights are deleted"
    if serving is None:
        words += "; nothing runs on this data folder: jobs that wait for it will fail"
    out.print(words)
    return 0


def _leave(serving: Serving, settings: Settings, name: str, networks: Sequence[str], out: Console) -> None:
    """Returns when nothing that runs needs the networks any more. Killed or stopped meanwhile, the model is
    not offered, and the same command goes on from here."""
    if wait_until_taken_up(name, settings.data_dir, offered=False, kind="models") is False:
        raise UserError(f"{name} is withdrawn, but the server still offers it; see frontend.log")
    asyncio.run(_wait_for_jobs(name, out))
    if serving.triton_url:
        triton = TritonControl(settings.data_dir, serving.triton_url)
        for network in networks:
            triton.unload(network)


async def _wait_for_jobs(name: str, out: Console) -> None:
    """Until none is left that is to be drawn with it: at its deadline at the latest each has ended."""
    from frontend.jobs.store import JobStore

    told = -1
    looks = 0
    async with open_redis() as (settings, redis):
        jobs = JobStore(redis, settings)
        while looks < LOOKS_WITHOUT_JOBS:
            left = await jobs.count_undrawn(name)
            looks = 0 if left else looks + 1
            if left and left != told:
                out.print(f"{name} is not offered any more; {left} of its jobs are still to be drawn")
            told = left
            await asyncio.sleep(LOOK_EVERY_S)


def _serving(settings: Settings) -> Serving | None:
    try:
        return Instance(settings.data_dir).running()
    except UserError:
        return None


def _show(*, as_json: bool) -> int:
    settings = load()
    return _list(ModelService.of(settings), settings.data_dir, as_json=as_json)


def _list(models: ModelService, data_dir: Path, *, as_json: bool) -> int:
    for line in models.faults():
        print_error(line)
    rows, offered = models.rows(), offered_models(data_dir)
    if as_json:
        told = ({**msgspec.to_builtins(row), "offered": _is_offered(row, offered)} for row in rows)
        print_json("\n".join(msgspec.json.encode(row).decode() for row in told))
        return 0
    if not rows:
        raise UserError("there are no models; see `imgen model add --help`")
    table = Table("model", "label", "kind", "steps", "guidance", "styles", "characters", "size", "state")
    for row in rows:
        table.add_row(
            row.name,
            row.label,
            row.family or "not known",
            f"{row.steps or ''}",
            f"{row.guidance:g}" if row.steps else "",
            ", ".join(row.styles),
            ", ".join(f"@{each}" for each in row.characters),
            f"{row.bytes / 1e6:,.0f} MB",
            _state(row, _is_offered(row, offered)),
        )
    console().print(table)
    return 0


def _is_offered(row: ModelRow, offered: Collection[str] | None) -> bool | None:
    """None: no server runs that could tell."""
    return None if offered is None else row.name in offered


def _state(row: ModelRow, is_offered: bool | None) -> str:
    if row.fault:
        return row.fault
    words = {True: "in service", False: "not in service", None: "`imgen up` offers it"}[is_offered]
    return f"{words}, the default" if row.default else words
