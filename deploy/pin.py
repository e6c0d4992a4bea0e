"""python deploy/pin.py: writes the digest that each image's tag has now where it is used.

Asks the images' registries by Docker (`docker buildx imagetools inspect`); log in before where one wants it.
Running it again follows tags that have moved on: the difference is what an update brings.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = ("Dockerfile", "deploy/compose.yaml", "deploy/helm/imgen/values.yaml")
# The last is the chart's. Ours (imgen-…) are built here, stages have no tag.
REFERENCE = re.compile(
    r"^(FROM |# syntax=|\s+image: |\s+redis: )(?!imgen-)"
    r"([\w.-]+(?:/[\w./-]+)*:[\w.-]+)(@sha256:[0-9a-f]{64})?(?=\s|$)",
    re.MULTILINE,
)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def digest(image: str) -> str:
    """Raises SystemExit where Docker does not tell."""
    command = ["docker", "buildx", "imagetools", "inspect", "--format", "{{.Manifest.Digest}}", image]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SystemExit(f"pin: docker: {error}") from None
    found = done.stdout.strip()
    if done.returncode or not DIGEST.fullmatch(found):
        raise SystemExit(f"pin: {image}: {done.stderr.strip() or f'no digest: {found!r}'}")
    return found


def main(root: Path = ROOT) -> None:
    texts = {name: (root / name).read_text() for name in FILES}
    images = sorted({match[2] for text in texts.values() for match in REFERENCE.finditer(text)})
    digests = {image: digest(image) for image in images}  # all of them, before anything is written
    for name, text in texts.items():
        (root / name).write_text(
            REFERENCE.sub(lambda match: f"{match[1]}{match[2]}@{digests[match[2]]}", text)
        )
    for image, found in digests.items():
        print(f"{image}@{found}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
