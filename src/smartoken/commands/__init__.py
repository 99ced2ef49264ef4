"""The commands of ``smartoken``: each does what the control API can, or looks after one installation from outside.

Exit codes: 0 done; 1 the command ran and something is wrong (``doctor`` found a fault, a server did not answer);
2 the input or a setting cannot be used, with the name and the fix on stderr.
"""
