"""Calls to the outside over HTTP."""
