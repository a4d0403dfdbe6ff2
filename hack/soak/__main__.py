"""`make soak`: see `python -m hack.soak --help`."""

import sys

from hack.soak.command import main
from hack.soak.disk import have_own_mounts

have_own_mounts()
sys.exit(main())
