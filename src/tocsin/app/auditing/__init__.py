"""The audit: what was accepted and planned, held against what became of it."""
