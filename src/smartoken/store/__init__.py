"""The one store: schema, the database seam over SQLite and PostgreSQL, counters and migrations."""
