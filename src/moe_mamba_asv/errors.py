"""The errors a person may see: each says what was got, what was wanted and what to do."""


class MmaError(Exception):
    """Base of every expected failure; the command line prints it without a traceback.

    Args:
        got: what was found, naming the file, key or utterance.
        wanted: what would have been right.
        remedy: what the reader can do about it.
    """

    def __init__(self, got: str, *, wanted: str = "", remedy: str = "") -> None:
        parts = [got]
        if wanted:
            parts.append(f"wanted: {wanted}")
        if remedy:
            parts.append(f"try: {remedy}")
        super().__init__("; ".join(parts))
        self.got, self.wanted, self.remedy = got, wanted, remedy


class AudioError(MmaError):
    """A sound cannot be decoded or used."""


class CorpusError(MmaError):
    """A corpus, protocol or manifest is not what it should be."""


class ScoreError(MmaError):
    """A score file is malformed or does not fit its protocol."""


class CheckpointError(MmaError):
    """A model file cannot be loaded."""


class ConfigError(MmaError):
    """A recipe or option has an unknown key or an impossible value."""


class TrainingError(MmaError):
    """A training run cannot start, go on or be resumed."""


class ScanError(MmaError):
    """A selective scan was given tensors that do not fit, or an implementation that is not there."""


class NonFiniteError(ScanError):
    """A tensor holds NaN or infinity where only finite numbers have a meaning."""
