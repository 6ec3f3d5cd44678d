"""What a model is asked to make small. A loss owns no parameters."""
