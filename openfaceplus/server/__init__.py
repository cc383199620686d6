"""Pages and an API over HTTP, for what the commands do: ``openfaceplus serve``.

``app.create_app`` builds it. A request passes ``edge.Edge`` (limits, headers, errors), then
``guard.Guard`` (who asks, and may they), then a function of ``routes/``; ``rights.py`` lists these.
"""
