"""Scores and labels become numbers; nothing here knows of models or of torch."""
