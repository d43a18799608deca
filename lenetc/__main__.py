"""`python -m lenetc` is `lenetc`."""

import sys

from lenetc.cli import main

sys.exit(main())
