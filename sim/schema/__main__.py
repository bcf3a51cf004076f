"""Writes `scenario.schema.json` from `sim.scenario.models`."""

import json
from pathlib import Path

from sim.scenario.models import json_schema

if __name__ == "__main__":
    path = Path(__file__).with_name("scenario.schema.json")
    path.write_text(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(path)
