#!/usr/bin/env python3
"""Find one person in a pile of photos: knowns/ in unknowns/, into results/."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from openfaceplus.cli.environment import script

if __name__ == "__main__":
    sys.exit(script("find"))
