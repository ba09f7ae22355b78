"""One optimizer, or one family, a file.

A file here is read at discovery and imports no torch (it takes two seconds to load). Where a method is a
`torch.optim.Optimizer` of ours, its class stands in `core.optimizers.optim` and is also found here by name:
``from core.optimizers.methods.diffgrad import DiffGrad``.
"""
