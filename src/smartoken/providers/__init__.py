"""Everything that differs between providers: dialects as records, and the one client that opens sockets to them."""
