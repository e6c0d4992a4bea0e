"""The same `status` of a finished job as a plain FastAPI app: key and job from Redis, links signed, JSON.

It does less than the server: one round trip for key and job together, records taken as they are without
checking them, no request ids, no CORS, no metrics, no other action. BENCH_REDIS_URL, BENCH_FILES_KEY (file)
and BENCH_PUBLIC_URL tell it where things are, BENCH_FIELDS which fields of a record are answered as they are.
"""

import hashlib
import hmac
import os
import time
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import orjson
from fastapi import Body, FastAPI, Header, HTTPException, Response
from redis.asyncio import Redis

FIELDS = ("record", "owner", "state", "picture", "verdict")
URL_LIFE_S = 900
redis = Redis.from_url(os.environ["BENCH_REDIS_URL"], protocol=2)
files_key = Path(os.environ["BENCH_FILES_KEY"]).read_bytes()
public_url = os.environ["BENCH_PUBLIC_URL"]
passed_on = os.environ["BENCH_FIELDS"].split(",")
app = FastAPI(openapi_url=None)


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/api/v2")
async def status(
    action: Annotated[str, Body()],
    id: Annotated[str, Body()],  # noqa: A002
    authorization: Annotated[str, Header()],
) -> Response:
    digest = hashlib.sha256(authorization.removeprefix("Bearer ").encode()).hexdigest()
    pipe = redis.pipeline(transaction=False)
    pipe.hget("imgen:keys", digest)
    pipe.hmget(f"imgen:job:{id}", FIELDS)
    pipe.zrank("imgen:waiting", id)
    key, (record, owner, state, picture, verdict), _ = await pipe.execute()
    if action != "status" or key is None:
        raise HTTPException(401)
    if record is None or owner.decode() != orjson.loads(key)["id"] or state != b"COMPLETED":
        raise HTTPException(400)
    body = finished(orjson.loads(record), orjson.loads(picture), orjson.loads(verdict))
    return Response(orjson.dumps(body), media_type="application/json")


def link(key: str, filename: str, sha256: str) -> str:
    expires = int(time.time()) + URL_LIFE_S
    message = f"GET\n{key}\n{filename}\n{sha256}\n{expires}"
    signature = hmac.new(files_key, message.encode(), hashlib.sha256).hexdigest()
    query = f"expires={expires}&filename={filename}&sha256={sha256}&signature={signature}"
    return f"{public_url}/files/{quote(key)}?{query}"


def finished(job: dict[str, Any], picture: dict[str, Any], verdict: dict[str, Any]) -> dict[str, Any]:
    meta = {name: job[name] for name in passed_on}
    meta |= {f"wm_{name}": value for name, value in job["mark"].items()}
    meta |= {f"cs_{name}": value for name, value in job["texts"].items()}
    images = [
        {
            "url": link(picture["key"], picture["filename"], picture["sha256"]),
            "filename": picture["filename"],
            "type": "signed",
        },
        {
            "url": link(picture["thumbnail_key"], picture["thumbnail_filename"], picture["thumbnail_sha256"]),
            "filename": picture["thumbnail_filename"],
            "type": "thumbnail",
        },
    ]
    meta |= {
        "compliance": "safe",
        "compliance_codes": verdict["codes"],
        "fingerprint": picture["fingerprint"],
        "images": images,
        "enable_invisimark": bool(picture["mark"]),
        "enable_c2pa": True,
        "compute_pdq": True,
        "weights": picture["weights"],
        "timings": {**picture["timings_ms"], "review": verdict["took_ms"]},
    }
    return {"status": "COMPLETED", "meta": meta}
