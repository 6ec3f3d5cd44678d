"""How a model learns: recipes, data order, the loop, and a run that resumes."""
