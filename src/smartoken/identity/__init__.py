"""Who may ask: accounts, API keys and what each may do."""
