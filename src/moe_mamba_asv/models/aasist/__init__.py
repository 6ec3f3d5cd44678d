"""AASIST: audio anti-spoofing using integrated spectro-temporal graph attention networks (Jung et al., 2022)."""
