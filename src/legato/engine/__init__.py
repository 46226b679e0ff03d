"""The engine: plan and store in, run out. It orders, reuses, dispatches, retries and records.

Rule: it knows no kind of node by name; `app` hands it what each kind does.
"""
