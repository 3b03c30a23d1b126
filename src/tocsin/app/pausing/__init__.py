"""Pausing and resuming: what operators stop, what waits for it, and its orderly release."""
