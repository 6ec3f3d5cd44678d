"""Fine-tuning: where weights start, which of them may move, how fast, from when on, and how far from the start.

Wherever a name of weights is asked for, it is a part (``ssl``, ``sinc``, ``projections``, ``fusion``, ``backend``,
``pooling``, ``head``; see `parts`), or what names in the state dict begin with, such as ``backend.blocks.0``. Which
encoder layers of a self-supervised stream are trained, the model's own configuration says.
"""
