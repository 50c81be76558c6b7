"""What is kept in SQLite: sessions with their messages, and operations with their event logs.

Knows rows, not what they mean. Synchronous, one connection, used by the service from one thread;
the only room that imports sqlite3.
"""

from wiz_kernel_ext.store.database import Database, Recovered
from wiz_kernel_ext.store.operations import OperationRow, OperationStore
from wiz_kernel_ext.store.sessions import SessionRow, SessionStore

__all__ = ["Database", "OperationRow", "OperationStore", "Recovered", "SessionRow", "SessionStore"]
