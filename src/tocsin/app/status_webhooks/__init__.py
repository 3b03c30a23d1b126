"""
Status webhooks: endpoints of customers are told what became of deliveries.

Each endpoint is a reader of the log with a place of its own, so one that is down delays nobody
else, and nothing is lost while it is. Told in the order of the log, for each notification.
"""
