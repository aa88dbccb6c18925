"""A run's results for people: figures from the tables, one HTML page, one summary file."""
