"""A log of what was asked and answered that can only grow, each line chained to the one before."""

from openfaceplus.audit.log import AuditLog
from openfaceplus.audit.reading import Checked, begun, entries, verify

__all__ = ["AuditLog", "Checked", "begun", "entries", "verify"]
