"""Rigid registration of two scans and its degeneracy."""
