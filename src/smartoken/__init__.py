"""SmarToken: one gateway for Chinese model access, route control and usage governance.

Importing this package opens no socket, reads no environment and starts nothing.
"""

__version__ = "0.1.0"
