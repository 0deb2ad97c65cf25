"""Written notices: what could not be received from an organizer on a day, why, and until when it must be told.

Reads     tables rejected and receipts, the working calendar
Writes    tables notices and notice_days
Promises  a notice for each organizer and day with something to say, the same for the same facts (clause O9-5.3;
          box: sinks/clickhouse)
"""
