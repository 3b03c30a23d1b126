"""The front door: from what a producer sent to durable events."""
