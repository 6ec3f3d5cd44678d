"""What a step hears: corpora mixed, rows chosen, clips cut, decoded once. All of it a function of seed and step."""
