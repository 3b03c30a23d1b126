"""
The deliver step: from hand-offs on the log to calls of providers and outcomes on the log.

One `tocsin.app.delivering.lane.LaneDelivery` per channel and lane reads its ``deliver`` topic.
"""
