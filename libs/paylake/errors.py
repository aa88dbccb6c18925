"""The errors that paylake raises on purpose: one sentence each, with what, where and what to do."""


class PaylakeError(Exception):
    """Any failure that paylake foresaw. Its text is meant for a person and stands without a traceback."""


class SettingsError(PaylakeError):
    """A flag or an environment variable is unknown, missing or cannot be read."""


class ContractError(PaylakeError):
    """Data or a table does not keep what its contract promises."""


class SourceError(PaylakeError):
    """An input, a broker or a lake cannot be reached or used."""


class ControlError(PaylakeError):
    """Control totals do not close, so nothing may be published."""
