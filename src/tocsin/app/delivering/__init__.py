"""
The deliver step: from hand-offs on the log to calls of providers and outcomes on the log.

One `tocsin.app.delivering.lane.LaneDelivery` per channel and lane reads its ``deliver`` topic. What
comes later has its place: failover and circuit breakers beside `providers.Fleet.choose`, token
buckets before `calling`, pauses as a gate of `preparing`, dead letters in `concluding`, the guard
against a mass purge in `address_health`.
"""
