"""The pages of the app; the mathematics is in core."""
