"""What a person reads: one language-free model, drawn and written as HTML and Markdown in two languages."""
