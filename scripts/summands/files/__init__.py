"""Files that are whole or not at all, locks, logs and records: knows no study."""
