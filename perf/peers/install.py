"""Puts each contender into an environment of its own: python -m perf.peers.install [NAME …]

Under .venv/parts/peers, from perf/peers/locks/NAME.txt. One that cannot be installed stops nothing: why
stands in `not-installed` in its folder, and bench-peers tells it.
"""

import shutil
import subprocess
import sys
from pathlib import Path

LOCKS = Path(__file__).with_name("locks")
ENVIRONMENTS = Path(sys.prefix) / "parts" / "peers"
REASON = "not-installed"


def python_of_peer(name: str) -> Path:
    return ENVIRONMENTS / name / "bin" / "python"


def reason_missing(name: str) -> str:
    """Why there is no such environment; "" where there is one."""
    if (ENVIRONMENTS / name / ".installed").exists():
        return ""
    told = ENVIRONMENTS / name / REASON
    return told.read_text().strip() if told.exists() else "not installed: make bench-peers"


def install(name: str) -> None:
    folder, lock = ENVIRONMENTS / name, LOCKS / f"{name}.txt"
    done = folder / ".installed"
    if done.exists() and done.stat().st_mtime >= lock.stat().st_mtime:
        return
    uv = shutil.which("uv", path=str(Path(sys.prefix) / "bin")) or "uv"
    print(f"installing {name}", file=sys.stderr)
    steps = (
        (uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder)),
        (
            uv,
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--python",
            str(folder / "bin" / "python"),
            "-r",
            str(lock),
        ),
    )
    for step in steps:
        ran = subprocess.run(step, stderr=subprocess.PIPE, text=True, check=False)
        if ran.returncode:
            why = (ran.stderr.strip().splitlines() or [f"exit status {ran.returncode}"])[-1]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / REASON).write_text(f"not installed: {why}\n")
            print(f"{name}: {why}", file=sys.stderr)
            return
    (folder / REASON).unlink(missing_ok=True)
    done.touch()


def main() -> None:
    for name in sys.argv[1:] or sorted(lock.stem for lock in LOCKS.glob("*.txt")):
        install(name)


if __name__ == "__main__":
    main()
