"""What simulators of mail services share; providers do not look at it."""
