"""The organizer's side: typed events or a CSV file in, messages on the organizer's topic, signed receipts back.

Reads     events of `esep.events`, files with a mapping (`producers/mappings/*.yaml`), receipts
Writes    organizer.<BIN>.events
Promises  imports the base dependencies only: no engine, no broker, no stream processor; says nothing on stderr that
          the program using it has not asked for (box: producers)
"""

import logging

logging.getLogger(__name__).addHandler(logging.NullHandler())
