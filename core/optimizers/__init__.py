"""Optimizers: first-order methods as torch classes, second-order methods, landscapes to tell them apart."""
