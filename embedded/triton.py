"""The pip-installed Triton of the embedded default: gRPC on a Unix socket, models under explicit control.

For one machine only: this release is older than several fixes (see docs), so nothing but gRPC listens, where
no other user gets in, and the protocols that would hand the server over are closed.
"""

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from contract.memory import MEMORY
from contract.names import TEXT_TO_IMAGE
from contract.repositories import find_network
from contract.runtimes import RUNTIMES_DIR
from embedded.cpu_runtime import fixed_runtime
from embedded.part import PartError, SystemPart
from embedded.plain_path import plain, socket_path
from embedded.shared_memory import keep_shared_memory_private, region_prefix, remove_shared_memory
from embedded.stub_python import library_folders, link_python
from embedded.triton_install import TritonInstall, assemble_backends, find_install
from embedded.triton_models import choose_models, torch_site

ROOT = Path(__file__).resolve().parent.parent
# Open to who sends the header `triton-grpc-protocol-NAME: VALUE`. A value that nobody knows would stand in
# the command line, which everybody can read; so it is a lock without a key: gRPC takes no such header.
CLOSED_PROTOCOLS = "model-repository,shared-memory,trace,logging:Closed to everybody=al\nways"
SOCKET_PORT = 8001  # a part of the socket's name
UNASKED = 2**31 - 1  # of so many orders that nobody traces one is traced all the same; 0 traces none at all
OWN = "triton"  # a folder in the data folder
TEMPORARY, COMPILED = "tmp", "compiled"  # folders in that
STUB_TIMEOUT_S = 120  # for a model's process to come up; the default of 30 is short for a busy machine


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
    install = find_install()
    own = data_dir.resolve() / OWN
    sources = [ROOT / "model_repository", *(Path(item).resolve() for item in repositories)]
    backends = plain(assemble_backends(install, own), own)
    fixed = fixed_runtime(install.site, cpu_runtime, cpu_precision)
    fixed |= {MEMORY: str(memory_mb)} if memory_mb else {}
    environ = {**os.environ, **fixed}
    models = choose_models(sources, backends, environ)
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
        next_command=lambda: command(choose_models(sources, backends, environ)),
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


def _bring_contract(folder: Path) -> Path:
    """A folder of packages with contract/ alone: models must not find the server's other ones beside it."""
    site = folder / "site"
    shutil.rmtree(site, ignore_errors=True)
    shutil.copytree(ROOT / "contract", site / "contract", ignore=shutil.ignore_patterns("__pycache__"))
    return site


def _environment(
    install: TritonInstall,
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
    if torch := torch_site():
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
