"""Whether a written report agrees with its own numbers: what is stated beside its operands is computed again."""
