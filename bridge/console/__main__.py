import sys

from bridge.console.main import main

sys.exit(main())
