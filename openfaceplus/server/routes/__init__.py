"""The functions that answer, by topic; each module lists its own in ``ROUTES``."""

from openfaceplus.server import pages
from openfaceplus.server.routes import (
    accuracy,
    frames,
    health,
    identify,
    people,
    reviews,
    session,
    video_people,
    videos,
)

ROUTES = (
    *health.ROUTES,
    *accuracy.ROUTES,
    *session.ROUTES,
    *identify.ROUTES,
    *frames.ROUTES,
    *people.ROUTES,
    *reviews.ROUTES,
    *videos.ROUTES,
    *video_people.ROUTES,
    *pages.ROUTES,
)
