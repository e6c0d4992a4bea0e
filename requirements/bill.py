"""Bills of materials, CycloneDX 1.6: python requirements/bill.py [FOLDER]

One for each environment, of its lock, and one for each image of the Dockerfile: its environment, its base,
and works of others that the repository carries. What the base images hold, a scan of a built one tells.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import licences
import lock
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

ROOT = lock.HERE.parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "frontend" / "common" / "version.py").read_text())[1]
IMAGES = ("frontend", "acs", "triton")
BASES = re.compile(r"^FROM (\S+) AS (\S+)$", re.MULTILINE)


def of_environment(name: str) -> Bom:
    return _bill(ComponentType.APPLICATION, name, packages(name))


def of_image(name: str) -> Bom:
    return _bill(ComponentType.CONTAINER, name, [*packages(name), *carried(name), base(name)])


def _bill(kind: ComponentType, name: str, components: Iterable[Component]) -> Bom:
    bom = Bom(components=components)
    described = Component(type=kind, name=f"imgen-{name}", version=VERSION, bom_ref=f"imgen-{name}")
    bom.metadata.component = described
    bom.register_dependency(described, bom.components)
    return bom


def packages(environment: str) -> Iterator[Component]:
    known, here = licences.rules(), licences.installed(environment)
    hashes = lock.hashes(environment)
    for name, version in lock.pins(environment).items():
        address = PackageURL("pypi", None, name, version)
        files = [HashType(alg=HashAlgorithm.SHA_256, content=each) for each in hashes[name]]
        where = ExternalReference(
            type=ExternalReferenceType.DISTRIBUTION, url=XsUri(address.to_string()), hashes=files
        )
        said = known.licence(name, here[name]) if name in here else ""
        yield Component(
            type=ComponentType.LIBRARY,
            name=name,
            version=version,
            purl=address,
            bom_ref=address.to_string(),
            licenses=[licence(said)] if said else [],
            external_references=[where],
        )


def carried(image: str) -> Iterator[Component]:
    for each in licences.rules().table["carried"]:
        if each["image"] == image:
            yield Component(
                type=ComponentType.LIBRARY,
                name=each["name"],
                version=each.get("version"),
                bom_ref=f"carried:{each['name']}",
                description=f"a copy in {each['folder']}",
                licenses=[licence(each["licence"])],
            )


def base(image: str) -> Component:
    """What the image's stage begins with; the digest where the Dockerfile has it (deploy/pin.py)."""
    stages = {stage: source for source, stage in BASES.findall((ROOT / "Dockerfile").read_text())}
    source = image
    while source in stages:
        source = stages[source]
    name, _, digest = source.partition("@sha256:")
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=digest)] if digest else []
    repository, _, tag = name.rpartition(":")
    return Component(
        type=ComponentType.CONTAINER, name=repository, version=tag, bom_ref=f"base:{name}", hashes=hashes
    )


def licence(expression: str) -> LicenseExpression | DisjunctiveLicense:
    if expression.startswith("LicenseRef-"):
        return DisjunctiveLicense(name=expression.removeprefix("LicenseRef-"))
    return LicenseExpression(expression)


def write(folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    bills = {f"environment-{name}": of_environment(name) for name in lock.environments()}
    bills |= {f"image-{name}": of_image(name) for name in IMAGES}
    written = []
    for name, bom in bills.items():
        path = folder / f"{name}.cdx.json"
        path.write_text(JsonV1Dot6(bom).output_as_string(indent=2) + "\n")
        written.append(path)
    return written


if __name__ == "__main__":
    target = Path(sys.argv[1]) if sys.argv[1:] else ROOT / "build" / "sbom"
    for path in write(target):
        print(path)
