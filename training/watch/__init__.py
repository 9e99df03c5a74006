"""The monitor and the guard of the night: what is usual, what is wrong, and what to do."""
