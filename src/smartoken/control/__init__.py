"""The control plane: ``/api/v1``, JSON with an OpenAPI description; ``application.build`` makes it."""
