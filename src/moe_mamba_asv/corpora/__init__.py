"""What is there to hear, and what is it: one file a corpus, one table of utterances from each."""
