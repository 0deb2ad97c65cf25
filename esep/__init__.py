"""esep: every bet and payout of a country, reported once, counted once, answered in under a second.

The packages below this name and who imports whom: `cli → {producers, stream_apps, sinks, embedded} → esep → schemas`.
"""

__version__ = "0.1.0"
