"""A run as JUnit's XML, which every CI server reads: a case for each expectation, one for what was lost, one for crashes.

The form is the one that Jenkins and GitLab document: `testsuites/testsuite/testcase`, with `failure` or `skipped` inside.
"""

import os
import re
from pathlib import Path
from xml.etree import ElementTree as ET

from sim.engine.summary import Summary

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0 section 2.2


def write(target: Path, summary: Summary) -> None:
    """Whole or not at all."""
    new = target.with_name(target.name + ".new")
    new.write_bytes(ET.tostring(suites(summary), encoding="utf-8", xml_declaration=True))
    os.replace(new, target)


def suites(summary: Summary) -> ET.Element:
    """The document's root."""
    cases: list[tuple[str, str, str, str]] = []  # name, "" or "failure" or "skipped", one line, all of it
    for outcome in summary.expected:
        cases.append((outcome.text, {True: "", False: "failure", None: "skipped"}[outcome.met], outcome.why, outcome.why))
    lost = summary.records_made - summary.records_stored
    words = f"{lost} of {summary.records_made} records made are not in the store" if lost else ""
    cases.append(("nothing lost", "failure" if lost else "", words, words))
    crashes = "\n\n".join(summary.crashes)
    first = crashes.partition("\n")[0]
    more = f" (and {len(summary.crashes) - 1} more)" if len(summary.crashes) > 1 else ""
    cases.append(("nothing crashed", "failure" if crashes else "", first + more, crashes))

    counted = {kind: str(sum(case[1] == kind for case in cases)) for kind in ("failure", "skipped")}
    totals = {
        "tests": str(len(cases)), "failures": counted["failure"], "errors": "0", "skipped": counted["skipped"],
        "time": f"{summary.wall_s:.3f}",
    }  # fmt: skip
    root = ET.Element("testsuites", {"name": "homeward", **totals})
    suite = ET.SubElement(root, "testsuite", {"name": _clean(summary.scenario), **totals})
    properties = ET.SubElement(suite, "properties")
    for name in ("seed", "digest", "simulated_s", "records_made", "records_stored", "fixes", "findings"):
        ET.SubElement(properties, "property", {"name": name, "value": str(getattr(summary, name))})
    for i, (name, kind, line, whole) in enumerate(cases):
        # What a run takes is not to be shared out among its expectations: the first case carries it.
        time = f"{summary.wall_s:.3f}" if not i else "0"
        case = ET.SubElement(suite, "testcase", {"classname": _clean(summary.scenario), "name": _clean(name), "time": time})
        if kind:
            ET.SubElement(case, kind, {"message": _clean(line)}).text = _clean(whole)
    return root


def _clean(text: str) -> str:
    """Without what XML cannot hold."""
    return _FORBIDDEN.sub("�", text)
