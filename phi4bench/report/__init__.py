"""Reports: what a run found, for people and for scripts. Judges nothing."""
