"""`python -m tests.end_to_end.one_run FOLDER [--seed N] [--speed X] [--core N] [--scenario FILE] [--until-min N]`

One run in a process of its own, so that it can be pinned to a core, or killed. Prints its summary as JSON, and in `told` what the
bridge made of it.
"""

import argparse
import json
import os
from pathlib import Path

from sim.scenario import load
from tests.end_to_end.runs import ERRAND, run_scenario, with_seed


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scenario", type=Path, default=ERRAND)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--speed", type=float, default=0.0)
    parser.add_argument("--core", type=int)
    parser.add_argument("--until-min", type=int)
    arguments = parser.parse_args()
    if arguments.core is not None:
        os.sched_setaffinity(0, {arguments.core})
    scenario = load(arguments.scenario)
    if arguments.seed is not None:
        scenario = with_seed(scenario, arguments.seed)
    until_ms = arguments.until_min * 60_000 if arguments.until_min else None
    outcome = run_scenario(arguments.folder, scenario=scenario, speed=arguments.speed, until_ms=until_ms)
    print(json.dumps({**outcome.summary.as_dict(), "told": outcome.events()}))


if __name__ == "__main__":
    main()
