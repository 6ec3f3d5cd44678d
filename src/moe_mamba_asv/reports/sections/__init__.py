"""The sections that follow the attacks, in their order; each is None where the report has nothing for it."""
