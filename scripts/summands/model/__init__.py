"""The model of a sum: levels, rows, cells, priors, estimands, what data can tell."""
