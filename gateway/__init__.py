"""The way by HTTPS for organizers whose feed cannot go by Kafka: the same events, the same topic, the same receipts.

Reads     requests of organizers, organizer.<BIN>.receipts
Writes    organizer.<BIN>.events, as the organizer itself
Promises  no right of its own: what an organizer may do is what the broker lets its own credentials do (clauses O114-3,
          O9-4.2; box: gateway)
"""
