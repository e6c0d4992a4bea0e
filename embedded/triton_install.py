"""Where pip put the parts of a Triton, and the backends that are made of them."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from embedded.part import PartError, python_of

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, kw_only=True)
class TritonInstall:
    """Where pip put the parts of a Triton."""

    server: Path  # pytriton/tritonserver
    libraries: Path  # nvidia_pytriton.libs
    site: Path  # packages that the models see
    python: str  # "3.11": version of the interpreter that the models run in

    @property
    def stub(self) -> Path:
        return self.server / "python_backend_stubs" / self.python / "triton_python_backend_stub"


def find_install() -> TritonInstall:
    """Raises PartError where there is none."""
    servers = Path(python_of("servers")).parent.parent / "lib"
    sites = sorted((Path(python_of("triton")).parent.parent / "lib").glob("python3.*/site-packages"))
    homes = sorted(servers.glob("python3.*/site-packages/pytriton/tritonserver"))
    if not sites or not homes:
        raise PartError("triton is not installed; run `make install`, or name one in IMGEN_TRITON_URLS")
    install = TritonInstall(
        server=homes[-1],
        libraries=homes[-1].parent.parent / "nvidia_pytriton.libs",
        site=sites[-1],
        python=sites[-1].parent.name.removeprefix("python"),
    )
    if not install.stub.exists():
        raise PartError(f"triton has no Python backend for Python {install.python}")
    return install


def assemble_backends(install: TritonInstall, folder: Path) -> Path:
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
