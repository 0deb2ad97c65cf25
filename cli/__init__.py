"""The `esep` command: one module per group of commands; what a command does lives in the packages below it."""
