"""The experiment: does it replay? Real programs, recorded and replayed: docs/experiments/replay.md."""
