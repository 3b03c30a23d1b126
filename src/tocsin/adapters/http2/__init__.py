"""HTTP/2 for hosts that are called thousands of times a second."""
