"""The data plane: what answers on ``/v1``. Read it in this order: routes, protocols, call, pipeline, then the steps."""
