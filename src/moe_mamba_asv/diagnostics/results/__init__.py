"""What diagnoses answer, as typed data that a report can read without PyTorch."""
