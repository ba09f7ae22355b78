"""Networks that propose search directions: their training data, losses, training and weights.

Two networks: the convolutional direction network of DCDM (Kaneda et al. 2023) and the stencil network of
NPSDO (Lan et al. 2024), whose convolution kernels are made from the picture of the obstacles. Files that
import torch are imported by those who call them, not at discovery.
"""
