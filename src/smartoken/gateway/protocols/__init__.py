"""Wire protocols of the data plane: bytes in, ``Call`` facts out; events and errors back. One file a protocol, pure."""
