#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "botplatform.settings")
    from django.core.management import execute_from_command_line

    from botplatform.security import forbid_core_dumps

    forbid_core_dumps()
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
