"""What simulators of chat platforms share; providers do not look at it."""
