"""Extracts on request: who asked for whose data and who approved it; the files, their manifest and its signature.

Reads     table ledger through the view extract_postings
Writes    table extract_steps; folders of files (Parquet, CSV, XLSX, PDF) with a signed manifest
Promises  nothing is extracted that another officer than the one who entered the request has not approved
          (O114-3, O114-C; decision 0031; box: sinks/clickhouse)
"""
