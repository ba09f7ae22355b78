"""Pure builders: trace views in, figure dictionaries and bytes out."""
