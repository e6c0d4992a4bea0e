"""How this server and a Triton beyond Unix sockets prove to each other who they are."""

from pathlib import Path

import grpc

from frontend.common.errors import SettingError


def triton_tls(ca: Path, certificate: Path, key: Path) -> grpc.ChannelCredentials | None:
    """PEM files: the authority of the Tritons' certificates, our own chain and its key; empty: none.

    None without an authority: plain text. Raises SettingError.
    """
    if bool(certificate.name) != bool(key.name):
        raise SettingError("IMGEN_TRITON_CERTIFICATE and IMGEN_TRITON_KEY: either both or none")
    if not ca.name:
        if certificate.name:
            raise SettingError("IMGEN_TRITON_CA: expected a file, because IMGEN_TRITON_CERTIFICATE is set")
        return None
    return grpc.ssl_channel_credentials(
        root_certificates=_read("ca", ca),
        private_key=_read("key", key) if key.name else None,
        certificate_chain=_read("certificate", certificate) if certificate.name else None,
    )


def _read(name: str, path: Path) -> bytes:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise SettingError(f"IMGEN_TRITON_{name.upper()}: cannot read {path}: {error.strerror}") from None
    if b"-----BEGIN " not in text:  # gRPC would take it, and answer every call with an outage
        raise SettingError(f"IMGEN_TRITON_{name.upper()}: {path} is no PEM file")
    return text
