"""What a person or a script can do: one file a noun, each checks the right, works in one transaction, is audited."""
