"""What tests of written reports ask of an answer."""


def only(result):
    """The one claim of a text."""
    assert len(result.claims) == 1, result.claims
    return result.claims[0]


def operands(claim):
    return tuple(operand.text for operand in claim.operands)
