"""`make soak`: see `python -m hack.soak --help`."""

import sys

from hack.soak.command import main

sys.exit(main())
