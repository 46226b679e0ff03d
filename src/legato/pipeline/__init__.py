"""What authors write: from the module `pipeline.py` to a graph, and to fingerprints of code and values.

Rule: authors' functions are looked at and never called here.
"""
