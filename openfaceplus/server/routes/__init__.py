"""The functions that answer, by topic; each module lists its own in ``ROUTES``."""

from openfaceplus.server import pages
from openfaceplus.server.routes import health, identify, people, session

ROUTES = (*health.ROUTES, *session.ROUTES, *identify.ROUTES, *people.ROUTES, *pages.ROUTES)
