"""The route step: from accepted events to plans."""
