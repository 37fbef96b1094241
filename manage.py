#!/usr/bin/env python
"""Django's command line for this project."""

import sys

from botplatform.command_line import main

if __name__ == "__main__":
    main(sys.argv)
