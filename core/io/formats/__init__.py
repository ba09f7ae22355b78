"""One file a format: ``read(source) -> Columns``, which checks the header before it allocates anything."""
