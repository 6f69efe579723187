"""Run an estimator on a data set, and keep what it says: results, tables, draws."""
