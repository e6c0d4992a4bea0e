"""The pip-installed Triton of the embedded default: gRPC on a Unix socket, models under explicit control.

For one machine only: this release is older than several fixes (see docs), so nothing but gRPC listens, where
no other user gets in, and the protocols that would hand the server over are closed.
"""

import asyncio
import logging
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contract.memory import MEMORY, gib, memory_limit, memory_of, refusals
from contract.names import TEXT_TO_IMAGE, split_network_name
from contract.repositories import CONFIG_FILE, BadRepositories, base_models, find_network
from contract.runtimes import RUNTIMES_DIR
from embedded.cpu_runtime import fixed_runtime
from embedded.part import PartError, SystemPart, python_of
from embedded.plain_path import plain, socket_path
from embedded.shared_memory import keep_shared_memory_private, region_prefix, remove_shared_memory
from embedded.stub_python import library_folders, link_python

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parent.parent
# Open to who sends the header `triton-grpc-protocol-NAME: VALUE`. A value that nobody knows would stand in
# the command line, which everybody can read; so it is a lock without a key: gRPC takes no such header.
CLOSED_PROTOCOLS = "model-repository,shared-memory,trace,logging:Closed to everybody=al\nways"
SOCKET_PORT = 8001  # a part of the socket's name
UNASKED = 2**31 - 1  # of so many orders that nobody traces one is traced all the same; 0 traces none at all
OWN = "triton"  # a folder in the data folder
TEMPORARY, COMPILED = "tmp", "compiled"  # folders in that
STUB_NAME = "triton_python_b"  # what /proc calls triton_python_backend_stub: the first 15 characters
STUB_TIMEOUT_S = 120  # for a model's process to come up; the default of 30 is short for a busy machine


@dataclass(frozen=True, kw_only=True)
class _Install:
    """Where pip put the parts of a Triton."""

    server: Path  # pytriton/tritonserver
    libraries: Path  # nvidia_pytriton.libs
    site: Path  # packages that the models see
    python: str  # "3.11": version of the interpreter that the models run in

    @property
    def stub(self) -> Path:
        return self.server / "python_backend_stubs" / self.python / "triton_python_backend_stub"


def triton_part(
    *,
    data_dir: Path,
    repositories: Sequence[Path],
    port: int | None = None,
    resident_mb: int | None = None,
    threads: int | None = None,
    memory_mb: int = 0,
    cpu_runtime: str = "auto",
    cpu_precision: str = "auto",
    otlp_url: str = "",
    log_verbose: int = 0,
) -> SystemPart:
    """A Triton that serves `text_to_image` and every base model of `repositories` that it can load.

    One that it cannot is left out, with a line in the log.

    `resident_mb` bounds the character models kept loaded (MiB; None: the model's own default), `threads` the
    CPU threads of one network (None: all cores). `port`: on 127.0.0.1 in place of the socket, for programs
    that know no sockets, on a machine without other users. `otlp_url`: of a collector of traces.
    Raises PartError where Triton is not installed or a repository is not usable.
    """
    install = _find_install()
    own = data_dir.resolve() / OWN
    sources = [ROOT / "model_repository", *(Path(item).resolve() for item in repositories)]
    backends = plain(_assemble_backends(install, own), own)
    fixed = fixed_runtime(install.site, cpu_runtime, cpu_precision)
    fixed |= {MEMORY: str(memory_mb)} if memory_mb else {}
    environ = {**os.environ, **fixed}
    models = _choose_models(sources, backends, environ)
    folders = [plain(folder, own) for folder in sources]
    site = plain(_bring_contract(own), own)
    python = plain(link_python(own / "bin"), own)
    remove_shared_memory(data_dir)
    address, url, listens_at = _address(port, data_dir)
    options = (
        str(install.server / "bin" / "tritonserver"),
        f"--backend-directory={backends}",
        f"--backend-config=python,shm-region-prefix-name={region_prefix(data_dir)}",
        f"--backend-config=python,stub-timeout-seconds={STUB_TIMEOUT_S}",
        *(f"--model-repository={folder}" for folder in folders),
        "--model-control-mode=explicit",
        # Else every model's process is started twice, the first time only to be asked what its config lacks.
        "--disable-auto-complete-config",
        "--allow-http=false",
        "--allow-metrics=false",
        f"--grpc-address={address}",
        f"--grpc-port={port or SOCKET_PORT}",
        f"--grpc-restricted-protocol={CLOSED_PROTOCOLS}",
        "--exit-on-error=false",  # a model that does not load stops no other one
        "--strict-readiness=false",
        "--exit-timeout-secs=3",
        *trace_options(otlp_url),
        f"--log-verbose={log_verbose}",
    )

    def command(models: Sequence[str]) -> tuple[str, ...]:
        loads = (f"--load-model={name}" for name in models)
        return *options, f"--model-load-thread-count={max(4, len(models))}", *loads

    return SystemPart(
        name="triton",
        title="Triton",
        url=url,
        listens_at=listens_at,
        command=command(models),
        # With what `imgen model` has added and removed meanwhile.
        next_command=lambda: command(_choose_models(sources, backends, environ)),
        ready=lambda: _ready(url),
        environment=_environment(install, python, site, folders, own, resident_mb, threads) | fixed,
        inherits=(
            "CUDA_*",
            "NVIDIA_*",
            "ONEDNN_MAX_CPU_ISA",
            "DNNL_MAX_CPU_ISA",
            "IMGEN_RESIDENT_MB",
            "IMGEN_ORT_THREADS",
            "IMGEN_CPU_*",
            MEMORY,
        ),
        confine=keep_shared_memory_private,
        start_timeout_s=180.0,
    )


def temporary_folder(data_dir: Path) -> Path:
    """Of Triton's processes."""
    return data_dir.resolve() / OWN / TEMPORARY


def forget_compiled(data_dir: Path, networks: Iterable[str]) -> None:
    """Of networks that are gone; at its next start Triton would forget it, too."""
    for network in networks:
        folder = data_dir.resolve() / OWN / COMPILED / network
        if not folder.parent.is_symlink() and not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)


def trace_options(otlp_url: str) -> list[str]:
    """Orders whose clients trace them are told to that collector, and no others. Without one: nothing is."""
    if not otlp_url:
        return []
    settings = ("mode=opentelemetry", "level=TIMESTAMPS", f"rate={UNASKED}")
    url = f"opentelemetry,url={otlp_url.rstrip('/')}/v1/traces"
    return [
        f"--trace-config={each}" for each in (*settings, url, "opentelemetry,resource=service.name=triton")
    ]


def _address(port: int | None, data_dir: Path) -> tuple[str, str, Path | int]:
    """What Triton is told, what its clients are told, where it then listens."""
    if port is not None:
        return "127.0.0.1", f"127.0.0.1:{port}", port
    socket = socket_path(data_dir, "triton.sock")
    return f"unix:{socket}", f"unix:{socket}:{SOCKET_PORT}", Path(f"{socket}:{SOCKET_PORT}")


def _choose_models(folders: Sequence[Path], backends: Path, environ: Mapping[str, str]) -> list[str]:
    """Names of the networks that can be loaded, and fit. Raises PartError for repositories that are not
    usable."""
    memory = memory_limit(environ)
    try:
        found = base_models(folders)
    except BadRepositories as error:
        raise PartError(f"triton: {error}") from None
    lacking = {name: fault for name in found.names if (fault := _missing_backend(folders, name, backends))}
    faults = dict(found.faults)
    for name, fault in lacking.items():
        network = split_network_name(name)
        faults.setdefault(network.model if network else name, fault)
    whole = {network.model for name in found.names if (network := split_network_name(name))} - set(faults)
    too_large = _too_large(folders, sorted(whole), memory, environ)
    for model, fault in {**faults, **too_large}.items():
        log.warning("left out: model %s: %s", model, fault)
    for sizes in refusals(folders, sorted(whole - set(too_large)), memory, environ).values():
        if sizes:
            log.warning("orders are refused of %s: %s", ", ".join(sizes), next(iter(sizes.values())))
    return [
        name
        for name in found.names
        if name not in lacking and not ((network := split_network_name(name)) and network.model in too_large)
    ]


def _too_large(
    folders: Sequence[Path], models: Sequence[str], limit: int, environ: Mapping[str, str]
) -> dict[str, str]:
    """Models that do not fit beside those before them, and why."""
    faults: dict[str, str] = {}
    loaded = 0
    for model in models:
        memory = memory_of(folders, model, environ)
        if memory is None:
            continue
        needed = loaded + max(memory.loading, memory.loaded + min(memory.pictures.values()))
        if needed > limit:
            beside = " with the other models" if loaded else ""
            faults[model] = (
                f"it and its smallest picture take about {gib(needed)} of memory{beside}; "
                f"there is {gib(limit)} (IMGEN_MEMORY_MB)"
            )
        else:
            loaded += memory.loaded
    return faults


def _missing_backend(folders: Sequence[Path], name: str, backends: Path) -> str:
    """What a network needs that is not installed here; "" where there is nothing."""
    folder = find_network(folders, name)
    text = (folder / CONFIG_FILE).read_text(errors="replace") if folder else ""
    wanted = re.search(r'^backend: "([^"]+)"', text, re.MULTILINE)
    if wanted and not (backends / wanted[1]).is_dir():
        return (
            f"{name} needs the backend {wanted[1]}, which this Triton lacks: name one that has it in "
            "IMGEN_TRITON_URLS, or export the model with --engine onnx"
        )
    if wanted and wanted[1] == "inductor" and not _torch_site():
        return f"{name} needs torch: run `make install-export`"
    return ""


def _torch_site() -> str | None:
    """Where torch is, for the backend inductor."""
    if "IMGEN_TORCH_SITE" in os.environ:
        return os.environ["IMGEN_TORCH_SITE"]
    found = sorted((Path(python_of("export")).parent.parent / "lib").glob("python3.*/site-packages"))
    return str(found[-1]) if found else None


async def has_dead_stub(pid: int) -> bool:
    """Whether a model's process under the tritonserver `pid` has died and is left unreaped.

    Triton does not start it again: its model answers errors for ever, so Triton itself must be restarted.
    A stub that ends because its model is unloaded is waited for at once, so only one that stays counts.
    """
    dead = _dead_stubs(pid)
    if not dead:
        return False
    await asyncio.sleep(1.0)
    return bool(dead & _dead_stubs(pid))


def _dead_stubs(pid: int) -> set[int]:
    return {child for child, name, state, parent in processes() if parent == pid and _is_dead(name, state)}


def _is_dead(name: str, state: str) -> bool:
    return state in "ZX" and name == STUB_NAME


def processes() -> Iterator[tuple[int, str, str, int]]:
    """(pid, name, state, parent's pid) of every process, from /proc/PID/stat; see proc_pid_stat(5)."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            before, _, after = stat.read_text(errors="replace").rpartition(")")
        except (FileNotFoundError, ProcessLookupError):  # ended while we looked
            continue
        number, _, name = before.partition(" (")
        state, parent = after.split()[:2]
        yield int(number), name, state, int(parent)


def _find_install() -> _Install:
    servers = Path(python_of("servers")).parent.parent / "lib"
    sites = sorted((Path(python_of("triton")).parent.parent / "lib").glob("python3.*/site-packages"))
    homes = sorted(servers.glob("python3.*/site-packages/pytriton/tritonserver"))
    if not sites or not homes:
        raise PartError("triton is not installed; run `make install`, or name one in IMGEN_TRITON_URLS")
    install = _Install(
        server=homes[-1],
        libraries=homes[-1].parent.parent / "nvidia_pytriton.libs",
        site=sites[-1],
        python=sites[-1].parent.name.removeprefix("python"),
    )
    if not install.stub.exists():
        raise PartError(f"triton has no Python backend for Python {install.python}")
    return install


def _assemble_backends(install: _Install, folder: Path) -> Path:
    """A backend directory: NVIDIA's Python backend with the right stub beside it, and ours."""
    made, ready = folder / "backends.tmp", folder / "backends"
    shutil.rmtree(made, ignore_errors=True)
    ours = [model.parent for model in sorted((ROOT / "backends").glob("*/model.py"))]
    sources = [(install.server / "backends" / "python", "python")]
    sources += [(source, own.name) for own in ours for source in (ROOT / "backends" / "shared", own)]
    for source, name in sources:  # no links: Triton refuses a library that lies elsewhere
        shutil.copytree(source, made / name, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    shutil.copy(install.stub, made / "python")
    shutil.rmtree(ready, ignore_errors=True)
    made.rename(ready)
    return ready


def _bring_contract(folder: Path) -> Path:
    """A folder of packages with contract/ alone: models must not find the server's other ones beside it."""
    site = folder / "site"
    shutil.rmtree(site, ignore_errors=True)
    shutil.copytree(ROOT / "contract", site / "contract", ignore=shutil.ignore_patterns("__pycache__"))
    return site


def _environment(
    install: _Install,
    python: Path,
    site: Path,
    folders: Sequence[Path],
    own: Path,
    resident_mb: int | None,
    threads: int | None,
) -> dict[str, str]:
    tmp, runtimes, compiled = own / TEMPORARY, own / "runtimes", own / COMPILED
    _forget_compiled(compiled, folders)
    for folder in (tmp, runtimes):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    libraries = [str(install.libraries), *library_folders()]
    environment = {
        # Its stubs are started by bash, which a bare PATH may lack.
        "PATH": os.pathsep.join([str(python), *filter(None, [os.environ.get("PATH")]), os.defpath]),
        "LD_LIBRARY_PATH": os.pathsep.join([*libraries, *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]),
        "TMPDIR": str(tmp),  # a killed Triton leaves its key of model_control there
        "IMGEN_TRITON_SITE": f"{install.site}{os.pathsep}{site}",
        RUNTIMES_DIR: str(runtimes),
        "IMGEN_COMPILED_DIR": str(compiled),
        "IMGEN_MODEL_REPOSITORIES": os.pathsep.join(map(str, folders)),
    }
    if torch := _torch_site():
        environment["IMGEN_TORCH_SITE"] = torch
    if resident_mb is not None:
        environment["IMGEN_RESIDENT_MB"] = str(resident_mb)
    if threads is not None:
        environment["IMGEN_ORT_THREADS"] = str(threads)
    return environment


def _forget_compiled(compiled: Path, folders: Sequence[Path]) -> None:
    """Of networks that are gone, and what a killed process left; links are left to who looks for networks."""
    if compiled.is_symlink() or not compiled.is_dir():
        return
    for network in compiled.iterdir():
        if not find_network(folders, network.name):
            shutil.rmtree(network, ignore_errors=True)
        for unfinished in network.glob("*.tmp") if not network.is_symlink() else ():
            shutil.rmtree(unfinished, ignore_errors=True)


async def _ready(url: str) -> bool:
    # Here, because it takes a while, in which Triton is starting.
    import tritonclient.grpc.aio as grpc_client
    from tritonclient.utils import InferenceServerException

    async with grpc_client.InferenceServerClient(url) as client:
        try:
            if await client.is_model_ready(TEXT_TO_IMAGE, client_timeout=2.0):
                return True
            live = await client.is_server_live(client_timeout=2.0)
        except InferenceServerException:
            return False
    if live:  # it listens when all is loaded that can be
        raise PartError(f"Triton could not load {TEXT_TO_IMAGE}")
    return False
