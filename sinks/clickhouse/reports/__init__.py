"""Reports over the ledger: the Order's form per organizer and day, statistics by month and year, signs of cashing out.

Reads     table ledger
Writes    table reports; files (CSV, XLSX, PDF) in Kazakh, Russian or English
Promises  the same coverage of the ledger gives the same report with the same checksum, in every form and language
          (O9-F, O9-L1 … O9-L5, D934-7..11; box: sinks/clickhouse)
"""
