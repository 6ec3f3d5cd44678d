"""How does a person ask? One file a command."""
