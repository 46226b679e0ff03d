"""Ground floor: the words of Legato as values. No I/O, no clock, no randomness."""
