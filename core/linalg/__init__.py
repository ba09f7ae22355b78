"""Linear algebra that several labs share."""
