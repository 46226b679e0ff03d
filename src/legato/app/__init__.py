"""The floor that holds the keys: configuration, wiring, actions, and one entry a process."""
