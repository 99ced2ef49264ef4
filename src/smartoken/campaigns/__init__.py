"""Campaigns: promotional money by rules that are data, decided the same everywhere and told in plain English."""
