"""`python -m bridge --config FILE`: runs the bridge until SIGTERM or SIGINT. Exit code 2 when the settings are wrong."""

import argparse
import sys
from pathlib import Path

from bridge.errors import ConfigError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bridge", description="Takes sealed records in, stores and receipts them.")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML; HOMEWARD_* variables win over it")
    arguments = parser.parse_args()
    try:
        from bridge.main import configure_logging, run_bridge
        from bridge.settings import load_settings

        settings = load_settings(arguments.config)
        configure_logging()
        run_bridge(settings)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
