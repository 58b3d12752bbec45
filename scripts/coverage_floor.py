"""Fail when a package's branch coverage lies below its floor.

    python scripts/coverage_floor.py .coverage.json billing=95 campaigns=95

The figure is coverage.py's own: (covered lines + covered branches) ÷ (lines + branches), in per cent.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def package_cover(report: dict[str, dict[str, dict[str, dict[str, int]]]], package: str) -> float | None:
    """Per cent covered of all files of one top-level package; None when the report holds none of them."""
    done = total = 0
    for name, entry in report["files"].items():
        if not name.startswith(f"{package}/"):
            continue
        summary = entry["summary"]
        done += summary["covered_lines"] + summary["covered_branches"]
        total += summary["num_statements"] + summary["num_branches"]
    return 100 * done / total if total else None


def main(arguments: list[str]) -> int:
    report = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    failed = False
    for demand in arguments[1:]:
        package, _, floor = demand.partition("=")
        found = package_cover(report, package)
        if found is None or found < float(floor):
            failed = True
        shown = "not measured" if found is None else f"{found:.1f} %"
        print(f"coverage of {package}: {shown} (floor {floor} %)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
