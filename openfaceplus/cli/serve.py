"""``openfaceplus serve``: pages and an API over HTTP."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from openfaceplus.cli import common, options
from openfaceplus.cli.output import say
from openfaceplus.cli.video_changes import age
from openfaceplus.liveness import SCALE

if TYPE_CHECKING:
    from openfaceplus.server.settings import Settings


def main(argv: list[str] | None = None) -> int:
    """``openfaceplus serve -m MODEL``."""
    parse = common.parser(
        "openfaceplus serve",
        "Serve a model to browsers and programs: identify, verify and enrol people over HTTP.\n"
        "Only this machine reaches it, unless told otherwise; then it takes keys.",
        "  openfaceplus serve -m model/\n"
        "  openfaceplus serve -m model/ --host 0.0.0.0 --keys keys.json\n"
        "  curl -F photo=@photo.jpg http://127.0.0.1:8000/v1/identify",
    )
    parse.add_argument(
        "-m", "--model", metavar="MODEL", type=Path,
        help="a model folder or classifier.pkl (default: as in infer); in a new or empty folder "
        "nobody is enrolled yet",
    )  # fmt: skip
    parse.add_argument(
        "--db", metavar="WHERE", help="a database of videos: a folder or a postgresql:// URL"
    )
    group = parse.add_argument_group("who may reach it")
    group.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS",
        help="the address to serve (default: %(default)s); any but this machine's own takes keys",
    )  # fmt: skip
    group.add_argument(
        "--port", type=int, default=8000, help="0: any that is free (default: %(default)s)"
    )
    add_keys(group)
    group.add_argument(
        "--certificate", type=Path, metavar="FILE", help="serve https with this certificate"
    )
    group.add_argument("--private-key", type=Path, metavar="FILE", help="that goes with it")
    group.add_argument(
        "--rate", type=int, metavar="N", help="requests a minute by one key (default: 3000)"
    )
    group = parse.add_argument_group("what it keeps")
    group.add_argument(
        "--uploads", type=Path, metavar="FOLDER",
        help="where videos are kept that are sent (default: videos in the data folder)",
    )  # fmt: skip
    add_audit(group)
    group.add_argument(
        "--keep-unsure", type=Path, metavar="FOLDER",
        help="keep faces there of which a decision was unsure, for somebody to look at (default: "
        "no photo that is identified is kept)",
    )  # fmt: skip
    group.add_argument(
        "--retain", type=age, metavar="TIME",
        help="forget people this long after they were enrolled here, as in 365d",
    )  # fmt: skip
    group.add_argument(
        "--encrypt", type=Path, metavar="KEYFILE",
        help="keep the model, faces to be looked at and crops encrypted, by the key that "
        "`openfaceplus keys file` made; what is plain is encrypted first",
    )  # fmt: skip
    group = parse.add_argument_group("liveness: a hint, never a lock")
    group.add_argument(
        "--liveness", type=options.named(["onnx"], "liveness network"), metavar="onnx:PATH",
        help="a network with MiniFASNet's input that says how live a face looks; it sees paper and "
        "screens like those it was trained on, and how often it is wrong here is not known",
    )  # fmt: skip
    group.add_argument(
        "--liveness-scale", type=float, metavar="TIMES", default=SCALE,
        help="how many times the face's box it sees, as in the name of its weights: 2.7 or 4 "
        "(default: %(default)s)",
    )  # fmt: skip
    options.add_jobs(parse)
    options.add_max_memory(parse)
    return common.run(parse, argv, _serve)


def add_keys(to: argparse._ActionsContainer) -> None:
    """Where the keys are."""
    to.add_argument(
        "--keys", type=Path, metavar="FILE",
        help="the file of keys (default: $OPENFACEPLUS_KEYS, or keys.json in the data folder)",
    )  # fmt: skip


def add_audit(to: argparse._ActionsContainer) -> None:
    """Where the log is."""
    to.add_argument(
        "--audit", type=Path, metavar="FILE",
        help="the log of decisions (default: $OPENFACEPLUS_AUDIT, or audit.jsonl in the data "
        "folder)",
    )  # fmt: skip


def keys_of(args: argparse.Namespace) -> Path:
    """The file of keys that a command names."""
    from openfaceplus.database import data_folder

    given: Path | None = args.keys
    return given or Path(os.environ.get("OPENFACEPLUS_KEYS") or data_folder() / "keys.json")


def audit_of(args: argparse.Namespace) -> Path:
    """The log that a command names."""
    from openfaceplus.database import data_folder

    given: Path | None = args.audit
    return given or Path(os.environ.get("OPENFACEPLUS_AUDIT") or data_folder() / "audit.jsonl")


def _serve(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from openfaceplus.database import data_folder
    from openfaceplus.errors import UsageError
    from openfaceplus.extras import require
    from openfaceplus.server.settings import Limits, Settings

    for library in (
        "fastapi",
        "uvicorn",
        "jinja2",
        "python_multipart",
        "argon2",
        "prometheus_client",
    ):
        require(library, "serve", "the server")
    if (args.certificate is None) != (args.private_key is None):
        raise UsageError("--certificate and --private-key go together")
    _, _, network = (args.liveness or "").partition(":")
    if args.liveness is not None and not network:
        raise UsageError("--liveness names no file", remedy="write it so: onnx:PATH")
    limits = Limits()
    if args.rate is not None:
        limits = replace(limits, rate=max(1, args.rate))
    keys = keys_of(args)
    settings = Settings(
        model=args.model,
        audit=audit_of(args),
        keys=keys if args.keys is not None or keys.exists() else None,
        db=args.db,
        keep_unsure=args.keep_unsure,
        retain=args.retain,
        uploads=args.uploads or data_folder() / "videos",
        host=args.host,
        port=args.port,
        jobs=args.jobs,
        commercial=args.commercial,
        liveness=Path(network) if network else None,
        liveness_scale=args.liveness_scale,
        limits=limits,
    )
    from openfaceplus.server.serving import serve

    def ready(address: str) -> None:
        say(f"Serving {address} (Ctrl-C ends it)")
        if settings.keys is None:
            say("No key is needed: all programs and users of this machine may do everything.")
        elif not settings.local and args.certificate is None:
            say(
                "Without a certificate, keys and photos pass the network unencrypted; put it "
                "behind a proxy that encrypts, or give --certificate.",
                file=sys.stderr,
            )

    if args.encrypt is not None:
        _encrypt(args.encrypt, settings)
    serve(settings, ready, args.certificate, args.private_key)
    return common.OK


def _encrypt(keyfile: Path, settings: Settings) -> None:
    """Encrypt what is there, and have all that the server and its processes write encrypted."""
    from openfaceplus.encryption import KEYFILE
    from openfaceplus.server.protection import protect

    os.environ[KEYFILE] = str(keyfile.absolute())
    for sentence in protect(settings):
        say(sentence)
    if settings.db is not None:
        say(
            "Vectors in the database are not encrypted, for it searches them, and neither are "
            "videos: keep both on an encrypted disk.",
            file=sys.stderr,
        )
