"""The posterior and its sampler: density, mode, coordinates, NUTS, diagnostics."""
