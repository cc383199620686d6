#!/usr/bin/env python3
"""Name whom a camera sees, as OpenFace's demo did."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from openfaceplus.cli.environment import script

if __name__ == "__main__":
    sys.exit(script("classifier_webcam"))
