"""`esep sql` at a terminal: lines, history, completion, what is shown, progress, and the end of a query.

Reads     what a person types; ClickHouse
Writes    the terminal, a history, files that are asked for
Promises  a query that is cancelled ends in the engine; no person's number enters the history (decision 0031; box: cli)
"""
