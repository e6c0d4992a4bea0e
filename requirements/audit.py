"""Known advisories of all that the locks name, by pip-audit: python requirements/audit.py

Exit status 1 where there are some, 2 where something could not be asked: pip-audit itself passes over what
its database does not know, and a database that is out of reach knows nothing.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import lock

PROGRAM = (sys.executable, "-m", "pip_audit")
PROBE = "pip"  # known to every database that there is


@dataclass
class AdvisoryReport:
    asked: int = 0
    unknown: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)


def audit(packages: Sequence[tuple[str, str]], program: Sequence[str] = PROGRAM) -> AdvisoryReport:
    """Of (name, version) each. Raises OSError, and ValueError where the program gives no report."""
    listed = "".join(f"{name}=={version}\n" for name, version in packages)
    options = ("--no-deps", "--disable-pip", "--format=json", "--progress-spinner=off", "--timeout=15")
    command = [*program, *options, "--requirement=/dev/stdin"]
    done = subprocess.run(command, input=listed, capture_output=True, text=True)
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        raise ValueError((done.stderr.strip() or "no report").splitlines()[-1]) from None
    report = AdvisoryReport(asked=len(dependencies))
    for each in dependencies:
        if "skip_reason" in each:
            report.unknown.append(each["name"])
        for advisory in each.get("vulns", ()):
            better = ", ".join(advisory["fix_versions"]) or "no version"
            report.found.append(f"{each['name']} {each['version']}: {advisory['id']}, mended in {better}")
    return report


def main(program: Sequence[str] = PROGRAM) -> int:
    environments = {name: list(lock.pins(name).items()) for name in lock.environments()}
    everything = sorted({pin for pins in environments.values() for pin in pins})
    try:
        probe = audit([pin for pin in everything if pin[0] == PROBE], program)
        report = probe if probe.unknown else audit(everything, program)
    except (OSError, ValueError) as error:
        print(f"audit: nothing was checked: no database can be reached from here: {error}", file=sys.stderr)
        return 2
    if probe.unknown:
        print("audit: nothing was checked: no database can be reached from here", file=sys.stderr)
        return 2
    for line in report.found:
        name = line.split()[0]
        print(f"{line} ({', '.join(each for each, pins in environments.items() if name in dict(pins))})")
    if report.unknown:
        print(f"audit: not in the database: {', '.join(sorted(report.unknown))}", file=sys.stderr)
    print(f"audit: {report.asked} packages, {len(report.found)} advisories")
    return 1 if report.found else 2 if report.unknown else 0


if __name__ == "__main__":
    sys.exit(main())
