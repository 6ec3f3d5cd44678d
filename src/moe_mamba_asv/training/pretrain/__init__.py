"""How a self-supervised model learns from speech without labels: it guesses what it was not allowed to hear."""
