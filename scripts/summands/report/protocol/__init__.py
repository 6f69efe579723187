"""The protocol of a study: what it asks, by what, and how it is judged, before it runs.

In the order of ADEMP (Morris, White and Crowther 2019, Statistics in Medicine 38:2074;
Siepe et al. 2024, Psychological Methods, doi 10.1037/met0000695): aims, data-generating
mechanisms, estimands, methods, performance measures; and what beside them a study that
is planned settles.
"""
