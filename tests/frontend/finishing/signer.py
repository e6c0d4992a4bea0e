"""A signing process as an operator would write it: it makes a key, and nobody else ever has it.

python -m tests.frontend.finishing.signer FOLDER raw|der: writes FOLDER/chain.pem, then serves FOLDER/socket.
"""

import sys
from pathlib import Path

from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from frontend.finishing.authority import issue


def signer(key: ec.EllipticCurvePrivateKey, form: str) -> web.Application:
    async def sign(request: web.Request) -> web.Response:
        assert request.headers["C2PA-Algorithm"] == "es256"
        if request.headers.get("Authorization") != "Bearer harbour":
            return web.Response(status=401)
        signature = key.sign(await request.read(), ec.ECDSA(hashes.SHA256()))
        if form == "raw":
            signature = b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(signature))
        return web.Response(body=signature)

    app = web.Application()
    app.router.add_post("/", sign)
    return app


def main(folder: Path, form: str) -> None:
    chain, pem = issue()
    key = load_pem_private_key(pem, password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    (folder / "chain.pem").write_bytes(chain)
    web.run_app(signer(key, form), path=str(folder / "socket"), print=lambda _: print("ready", flush=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
