"""Whether a face before a camera is a person's and no picture of one: hints, never a lock.

``passive`` judges one picture by a network that the user brings, ``active`` asks for a movement and
watches for it. Neither changes who a face is taken for.
"""

from typing import Final

SCALE: Final = 2.7
"""How many times a face's box a passive network sees, if nothing else is said."""
