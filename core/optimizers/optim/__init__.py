"""Our optimizers as `torch.optim.Optimizer` classes, usable with any torch module.

These files import torch; what is read at discovery are their registrations in `core.optimizers.methods`.
"""
