"""Why a database is not opened."""


class Refused(Exception):
    """This database must not be opened as asked; the message is a sentence for the operator."""
