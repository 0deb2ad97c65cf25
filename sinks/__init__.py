"""Ways out of Kafka into stores that are asked with SQL.

Reads     topics that the stages write
Writes    tables
Promises  nothing here is imported by the stages or the producers
"""
