"""Workshop: datasets. Snapshots what comes from outside, locks it, says what changed, and places it again."""
