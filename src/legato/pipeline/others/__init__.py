"""Other people's pipelines, `dvc.yaml` and `MLproject`, read as they are into nodes of the graph.

Rule: a file is read once, with its lines; what cannot be followed is refused by file, line and key, never skipped.
"""
