#!/usr/bin/env python3
"""Greet whom a camera sees by name."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from openfaceplus.cli.environment import script

if __name__ == "__main__":
    sys.exit(script("greeter"))
