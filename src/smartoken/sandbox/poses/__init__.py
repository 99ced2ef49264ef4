"""How each vendor's chat completions look on the wire, written from recordings and vendor pages, for tests only.

These shapes know nothing of ``providers/``: a fake that shared the records of the code under test would agree with
every mistake in them.
"""
