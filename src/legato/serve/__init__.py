"""Serving: turns a model into a servable folder, and answers for it over HTTP.

Rule: takes models and ways of loading them as arguments; never reaches for the registry, store or clock.
"""
