"""From scores to likelihood ratios and probabilities, learned on dev."""
