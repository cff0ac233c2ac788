"""Replaying: a recorded run again, exactly, and backwards."""
