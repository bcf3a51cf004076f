"""A run as one page of HTML: a bar a test on the wall clock, with its steps as marks; below it each test's steps, failure and
serial logs. Nothing is fetched from anywhere, so the page can be kept as an artefact of a CI job.
"""

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

import pytest

from sim.report import svg

_COLOURS = {"passed": svg.GREEN, "failed": svg.RED, "error": svg.RED, "skipped": svg.GREY}
_WIDTH, _LEFT, _ROW = 1200, 420, 18
_LOG_MAX = 200_000  # characters of a serial log that the page shows; the file has the rest

_STYLE = """body{font:14px/1.45 system-ui,sans-serif;color:#1b1f24;margin:2rem auto;max-width:1240px;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1rem;margin:1.6rem 0 .3rem;border-top:1px solid #d4d9df;padding-top:.8rem}
table{border-collapse:collapse}td,th{padding:.1rem .8rem .1rem 0;text-align:left;vertical-align:top}
td:nth-child(1),td:nth-child(2){font-variant-numeric:tabular-nums;text-align:right;white-space:nowrap}
pre{background:#eef1f4;padding:.6rem;overflow:auto;max-height:30rem;font-size:12px}.dim{color:#5c6570}
svg{max-width:100%;height:auto}a{color:#0072b2}"""


@dataclass
class _Test:
    name: str
    began: float
    seconds: float = 0.0
    outcome: str = "passed"
    words: str = ""
    folder: str = ""
    steps: list[dict[str, Any]] = field(default_factory=list)


class Timeline:
    """A plugin of pytest, on the process that sees all reports. `log` names the property that holds a test's folder."""

    def __init__(self, file: Path, rig: str, log: str) -> None:
        self._file, self._rig, self._log = file.absolute(), rig, log
        self._tests: dict[str, _Test] = {}
        self._began = time.time()

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = self._tests.setdefault(report.nodeid, _Test(report.nodeid, report.start))
        test.seconds = report.stop - test.began
        if report.failed:
            test.outcome, test.words = "failed" if report.when == "call" else "error", report.longreprtext
        elif report.skipped and test.outcome == "passed":
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
            test.outcome, test.words = "skipped", str(reason).removeprefix("Skipped: ")
        test.folder = dict(report.user_properties).get(self._log, test.folder)  # type: ignore[arg-type]

    @pytest.hookimpl
    def pytest_sessionfinish(self) -> None:
        tests = list(self._tests.values())
        for test in tests:
            test.steps = _read(Path(test.folder) / "steps.jsonl") if test.folder else []
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(page(tests, self._rig, self._began, time.time()), "utf-8")

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        terminalreporter.write_line(f"timeline: {self._file}")


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    except (OSError, ValueError):
        return []  # a test that was killed half-way has what it has


def page(tests: list[_Test], rig: str, began: float, ended: float) -> str:
    counts = {outcome: sum(test.outcome == outcome for test in tests) for outcome in _COLOURS}
    told = ", ".join(f"{n} {outcome}" for outcome, n in counts.items() if n) or "no test"
    when = datetime.fromtimestamp(began, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>hil_tests on {escape(rig)}</title><style>{_STYLE}</style>',
        f"<h1>hil_tests on {escape(rig)}</h1><p>{when}, {ended - began:.1f} s: {told}</p>",
        _chart([test for test in tests if test.outcome != "skipped"], began, ended),
        *(_details(test) for test in tests if test.outcome != "skipped"),
        _skipped([test for test in tests if test.outcome == "skipped"]),
    ]
    return "\n".join(parts) + "</html>\n"


def _short(name: str) -> str:
    return name.rpartition("::")[2].removeprefix("test_").replace("_", " ")


def _chart(tests: list[_Test], began: float, ended: float) -> str:
    scale = (_WIDTH - _LEFT - 20) / max(ended - began, 0.001)
    out = []
    for i, test in enumerate(tests):
        x, y = _LEFT + (test.began - began) * scale, 10 + i * _ROW
        bar = svg.tag("rect", svg.titled(f"{test.outcome}, {test.seconds:.1f} s"), x=x, y=y, height=_ROW - 5,
                      width=max(2.0, test.seconds * scale), fill=_COLOURS[test.outcome])  # fmt: skip
        name = _short(test.name)
        label = svg.text(name if len(name) < 68 else name[:66] + "…", 4, y + _ROW - 8, font_size=11, fill=svg.INK)
        out.append(f'<a href="#{_anchor(test)}">{label}{bar}</a>')
        for step in test.steps:
            at = x + step.get("s", 0) * scale
            title = svg.titled(f"{step.get('s')} s: {step.get('what')}")
            out.append(svg.tag("rect", title, x=at, y=y, width=1.5, height=_ROW - 5, fill=svg.INK))
    height = 20 + len(tests) * _ROW
    return svg.tag("svg", "".join(out), viewBox=f"0 0 {_WIDTH} {height}", width=_WIDTH, height=height, role="img",
                   xmlns="http://www.w3.org/2000/svg", font_family="system-ui,sans-serif")  # fmt: skip


def _details(test: _Test) -> str:
    i = f"{test.outcome}, {test.seconds:.1f} s"
    out = [f'<h2 id="{_anchor(test)}">{escape(_short(test.name))} <span class="dim">{i}</span></h2>']
    if test.words:
        out.append(f"<pre>{escape(test.words)}</pre>")
    if test.steps:
        out.append("<table><tr><th>s</th><th>on the rig, s</th><th>step</th><th></th></tr>")
        out += [_row(step) for step in test.steps]
        out.append("</table>")
    for path in sorted(Path(test.folder).glob("serial-*.log")) if test.folder else ():
        text = path.read_text("utf-8", "replace")
        cut = "" if len(text) <= _LOG_MAX else f"\n… {len(text) - _LOG_MAX} characters more in {path}"
        out.append(f"<details><summary>{escape(path.name)}</summary><pre>{escape(text[:_LOG_MAX] + cut)}</pre></details>")
    return "\n".join(out)


def _anchor(test: _Test) -> str:
    return escape(test.name, quote=True)


def _row(step: dict[str, Any]) -> str:
    about = ", ".join(f"{key} {value}" for key, value in step.items() if key not in ("utc", "s", "rig_s", "what"))
    rig_s = f"{step['rig_s']:.1f}" if "rig_s" in step else ""
    title = f' title="{escape(str(step.get("utc", "")))}"'
    told = f"<td>{escape(str(step.get('what')))}</td><td class=dim>{escape(about)}</td>"
    return f"<tr{title}><td>{step.get('s', 0):.3f}</td><td>{rig_s}</td>{told}</tr>"


def _skipped(tests: list[_Test]) -> str:
    rows = "".join(
        f"<tr><td></td><td></td><td>{escape(_short(t.name))}</td><td class=dim>{escape(t.words)}</td></tr>" for t in tests
    )
    return f"<h2>skipped</h2><table>{rows}</table>" if rows else ""
