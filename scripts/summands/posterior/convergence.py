"""When draws count as converged: limits that diagnostics apply and costs foresee.

Here by themselves because a study file is checked, and the Snakefile read, without
what diagnostics import.
"""

# Limits of Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021, Bayesian Analysis
# 16:667), sections 4 and 7.
MAX_RHAT = 1.01
MIN_ESS = 400

# Limit of Betancourt (2016, arXiv:1604.00695, section 4), as used by Stan.
MIN_EBFMI = 0.3
