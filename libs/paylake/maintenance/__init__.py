"""What is due on tables: partitions to compact, rows that are too old, customers to erase. No table is touched here."""
