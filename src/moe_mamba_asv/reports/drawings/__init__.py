"""What diagnoses found, as figures: SVG text for a page or a file; one file a diagnosis."""
