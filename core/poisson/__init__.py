"""The Poisson lab: grids with obstacles, and iterative methods on the pressure equation."""
