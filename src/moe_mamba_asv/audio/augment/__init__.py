"""What is done to a sound in training, so that a model meets more channels than its corpus has; one file a kind."""
