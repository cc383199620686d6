"""Pages for browsers: templates, styles and plain modules, in the languages of ``texts/``."""

from openfaceplus.server.pages.errors import ErrorPages
from openfaceplus.server.pages.views import ROUTES

__all__ = ["ROUTES", "ErrorPages"]
