"""Videos, who was in them when, and what a user puts right."""

from __future__ import annotations

import os
from typing import Annotated, Any

from fastapi import File, Form, Query, UploadFile
from starlette.responses import FileResponse, JSONResponse, Response

from openfaceplus.server import answers, video_answers
from openfaceplus.server.archive import Archive
from openfaceplus.server.contract import files
from openfaceplus.server.jobs import Jobs
from openfaceplus.server.keys import Role
from openfaceplus.server.problems import Refused, missing
from openfaceplus.server.rights import Route
from openfaceplus.server.routes import forms
from openfaceplus.server.state import Here, Server, Who

MOST_BYTES = 4 << 30
"""Of a video that is sent."""


def archive(server: Server) -> Archive:
    """The server's database. Raises Refused if there is none."""
    if server.archive is None:
        raise Refused(
            409, "no_database", "this server has no database of videos",
            "start it with one: openfaceplus serve with the option db",
        )  # fmt: skip
    return server.archive


def jobs(server: Server) -> Jobs:
    """What indexes videos. Raises Refused if there is no database."""
    archive(server)
    assert server.jobs is not None
    return server.jobs


async def videos(
    server: Here, limit: forms.Limit = 50, after: forms.After = None
) -> dict[str, Any]:
    """List the videos, in the order in which they were indexed."""
    found = await archive(server).ask(lambda db: db.videos.all())
    chosen, cursor = forms.page(found, [(one.id,) for one in found], after, limit)
    return {"videos": [_video(server, one) for one in chosen], "total": len(found), "next": cursor}


async def video(server: Here, id: forms.Number) -> dict[str, Any]:
    """Describe a video."""
    return _video(server, await _find(server, id))


async def file(server: Here, id: forms.Number) -> Response:
    """Play a video; a part of it where a range is asked for."""
    one = await _find(server, id)
    if not os.path.isfile(one.path):
        raise missing("file any more")
    return FileResponse(one.path)


async def add(
    server: Here, who: Who,
    video: Annotated[UploadFile | None, File(description="a video to be kept here")] = None,
    path: Annotated[str | None, Form(max_length=1000, description="or one that lies here")] = None,
) -> JSONResponse:  # fmt: skip
    """Index a video in the background: one that is sent, or the path of one, camera or stream."""
    if (video is None) == (path is None):
        raise Refused(
            422, "invalid", "a video is sent, or the path of one", "give one of the two",
            field="video",
        )  # fmt: skip
    await server.record(who, "index")
    if video is not None:
        called = forms.name(video, 0)
        path = str(await archive(server).keep(video, called))
    else:
        assert path is not None
        called = path
        archive(server)
    job = jobs(server).add(path, called, who.name)
    return JSONResponse(jobs(server).described(job), 202, {"Location": f"/v1/jobs/{job.id}"})


async def remove(server: Here, who: Who, id: forms.Number) -> dict[str, Any]:
    """Remove a video with all that was seen in it, and its file if it was sent here."""
    one = await _find(server, id)
    await server.record(who, "remove video", video=id)
    receipt = await archive(server).ask(lambda db: db.videos.remove(id))
    return receipt.to_dict() | {"file_deleted": archive(server).drop(one.path)}


async def all_jobs(server: Here) -> dict[str, Any]:
    """List the videos that are being indexed, wait for it, or were, the newest first."""
    return {"jobs": [jobs(server).described(job) for job in jobs(server).all()]}


async def one_job(server: Here, id: str) -> dict[str, Any]:
    """Say how far the indexing of a video is."""
    job = jobs(server).find(id)
    if job is None:
        raise missing("job", "id")
    return jobs(server).described(job)


async def appearances(
    server: Here, person: forms.Numbered = None, video: forms.Numbered = None,
    limit: forms.Limit = 100, after: forms.After = None,
) -> dict[str, Any]:  # fmt: skip
    """List who was in which video when, all or those of one person or video."""
    found = await archive(server).ask(lambda db: db.read.appearances(person, video))
    keys = [(one.video_id, one.start, one.sequence) for one in found]
    chosen, cursor = forms.page(found, keys, after, limit)
    return {
        "appearances": [
            one.to_dict() | {"video": archive(server).called(one.video), "video_id": one.video_id,
                             "fixed": one.fixed}
            for one in chosen
        ],
        "total": len(found),
        "next": cursor,
    }  # fmt: skip


async def crop(
    server: Here, id: forms.Number, best: Annotated[int, Query(ge=0, le=20)] = 0
) -> Response:
    """Show one of a sequence's best faces, as JPEG."""
    found = await archive(server).ask(lambda db: db.read.crops(id))
    if best >= len(found):
        raise missing("picture")
    return Response(found[best].jpeg, media_type="image/jpeg")


async def _find(server: Server, id: forms.Number) -> Any:
    found = await archive(server).ask(lambda db: [v for v in db.videos.all() if v.id == id])
    if not found:
        raise missing("video", "id")
    return found[0]


def _video(server: Server, one: Any) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": archive(server).called(one.path),
        "seconds": one.duration,
        "rate": one.rate,
        "width": one.width,
        "height": one.height,
        "recorded_at": one.recorded_at and one.recorded_at.isoformat(),
        "indexed_at": one.indexed_at and one.indexed_at.isoformat(),
        "done": one.done,
        "sequences": one.sequences,
    }


ROUTES = (
    Route("GET", "/v1/videos", Role.VIEWER, videos, gives=video_answers.Videos),
    Route("POST", "/v1/videos", Role.ADMIN, add, most_bytes=MOST_BYTES, gives=answers.Job,
          more={"status_code": 202}),
    Route("GET", "/v1/videos/{id}", Role.VIEWER, video, gives=video_answers.Video),
    Route("GET", "/v1/videos/{id}/file", Role.VIEWER, file, refuses=(400, 416),
          more=files("*/*", 206)),
    Route("DELETE", "/v1/videos/{id}", Role.ADMIN, remove, gives=video_answers.RemovedVideo),
    Route("GET", "/v1/jobs", Role.VIEWER, all_jobs, gives=answers.Jobs),
    Route("GET", "/v1/jobs/{id}", Role.VIEWER, one_job, gives=answers.Job),
    Route("GET", "/v1/appearances", Role.VIEWER, appearances, gives=video_answers.Appearances),
    Route("GET", "/v1/sequences/{id}/crop", Role.VIEWER, crop, more=files("image/jpeg")),
)  # fmt: skip
