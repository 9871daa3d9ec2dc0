"""``python -m gradcode``."""

from gradcode.cli import main

main()
