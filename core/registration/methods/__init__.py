"""Registration methods, one file each."""
