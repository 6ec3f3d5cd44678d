"""How much worse a system is on eval than on dev, and of what that is made."""
