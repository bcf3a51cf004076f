"""The real `homeward` command as a process, and what it leaves behind."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import yaml

HOMEWARD = Path(sys.executable).parent / "homeward"
DEMO = Path(__file__).parents[2] / "sim" / "scenarios" / "demo.yaml"
ENVIRONMENT = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}


def homeward(*arguments: object, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """`more` are variables of the environment."""
    command = [str(HOMEWARD), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=ENVIRONMENT | more, capture_output=True, text=True, timeout=120)


def started(*arguments: object, cwd: Path) -> subprocess.Popen[str]:
    """In the background, with its output in `cwd/out`."""
    with (cwd / "out").open("w") as out:
        command = [str(HOMEWARD), *map(str, arguments)]
        # A group of its own, as a terminal's shell gives it, so that a test may send Ctrl-C to all of it.
        return subprocess.Popen(command, cwd=cwd, env=ENVIRONMENT, stdout=out, stderr=out, text=True, start_new_session=True)


def refused(*arguments: object, cwd: Path, **more: str) -> str:
    """What it says when something given is wrong: one line, on stderr, with exit code 2."""
    done = homeward(*arguments, cwd=cwd, **more)
    assert done.returncode == 2, done
    assert done.stdout == "" or done.stdout.startswith("starting")
    assert done.stderr.startswith("homeward: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def processes_of(folder: Path) -> list[str]:
    """Command lines of what still runs in or for a folder."""
    lines = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any(str(folder) in word for word in words):
            lines.append(" ".join(words))
    return lines


def short_scenario(target: Path, **changes: object) -> Path:
    """The demonstration with a single wearer, and no expectations unless they are given."""
    data = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    data["people"] = data["people"][:1]
    data["expect"] = []
    target.write_text(yaml.safe_dump(data | changes, sort_keys=False), encoding="utf-8")
    return target
