"""How do samples become a score?"""
