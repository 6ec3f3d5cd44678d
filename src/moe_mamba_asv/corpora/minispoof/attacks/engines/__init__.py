"""Attacks by programs and packages that a user installs, and how they are called."""
