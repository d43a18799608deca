"""Strategies: the ways to compute convolutions and pools, what each costs, and the choice among them.

`table` lists them; `choice` takes the cheapest for a whole graph, from `prices` that `probes` measure or `costs`
estimates. May import ir, rewrite, layouts.
"""
