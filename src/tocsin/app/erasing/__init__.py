"""Forgetting a recipient, and proving it."""
