"""Figures by columns of the corpus, the official tables, and the forms that they are written in."""
