"""What can go wrong between us and the database."""


class StorageError(Exception):
    """The database could not do what was asked."""

    #: Whether the same request may succeed later without anybody repairing anything.
    retryable = False


class BadDatabaseUrl(StorageError):
    """The database address is not one that can be opened."""


class DatabaseUnreachable(StorageError):
    """Nothing answers at the database address, or it refuses us."""

    retryable = True


class SchemaTooNew(StorageError):
    """The database was written by a later version of Campana."""


class SchemaMissing(StorageError):
    """The database has no tables, or older ones than this version needs."""
