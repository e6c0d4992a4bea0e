"""The one table of settings: name, type, default, help. Read once at start; a bad value stops the start.

Each row is read from the environment as IMGEN_<NAME>, else from the TOML file (IMGEN_CONFIG) as <name>.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from contract.redis_keys import PREFIX
from frontend.common.errors import SettingError

ROOT = Path(__file__).resolve().parent.parent
"""Folder of our packages and of the data beside them: a checkout, an image's /app, or `imgen/` of a wheel."""
_IN_CHECKOUT = (ROOT / "pyproject.toml").is_file()
_BOOLEANS = {"true": True, "false": False}
ROLES = ("all", "api", "worker")
_KINDS = {tuple: "comma-separated text", bool: "true or false"}  # where the type's name would not do


def row(
    default: Any,
    text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    secret: bool = False,
    may_be_empty: bool = False,  # IMGEN_<NAME>= means nothing, where that is another thing than the default
) -> Any:
    metadata = {
        "help": text,
        "low": low,
        "high": high,
        "choices": choices,
        "secret": secret,
        "may_be_empty": may_be_empty,
    }
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Settings:
    host: str = row("127.0.0.1", "Address that the API listens on")
    port: int = row(8080, "Port that the API listens on; 0 takes a free one", low=0, high=65535)
    public_url: str = row(
        "",
        "Base URL that clients reach this server by; empty: http://HOST:PORT, or this machine's loopback "
        "address where HOST stands for all addresses",
    )
    data_dir: Path = row(
        ROOT / ".imgen" if _IN_CHECKOUT else Path(".imgen"),
        "Folder for everything that the embedded default keeps; in the checkout, or where there is none in "
        "the current folder",
    )
    catalogue_dir: Path = row(ROOT / "demo" / "catalogue", "Folder of models/*.yaml and characters/*.yaml")
    models_dir: Path = row(
        ROOT / "demo" / "models",
        "Triton model repository of the base models, for the Triton that `imgen up` starts",
    )
    cors_origins: tuple[str, ...] = row(
        ("*",), "Browser origins that may call the API; * for all", may_be_empty=True
    )
    max_body_mb: int = row(8, "Largest request body, in MiB", low=1, high=64)
    body_timeout_s: float = row(
        60.0, "Seconds that a request's body may take to arrive; longer is answered 408", low=0.1, high=3_600
    )
    body_budget_mb: int = row(
        128,
        "MiB of request bodies that one server process holds at a time, a quarter of it for one key; more "
        "are answered 503; without a key an eighth beside it",
        low=8,
        high=65_536,
    )
    header_timeout_s: float = row(
        10.0, "Seconds that a request's line and headers may take to arrive", low=0.1, high=3_600
    )
    max_connections: int = row(
        1000,
        "Connections that one server process keeps open; for one more the idle one that was silent longest "
        "is closed, where none is idle one of an address that has more than a fourth, else the answer is 503",
        low=1,
        high=1_000_000,
    )
    streams_limit: int = row(
        0,
        "Clients that one server process lets wait on open connections (events, Prefer: wait); one more is "
        "answered 503; 0: half of IMGEN_MAX_CONNECTIONS",
        low=0,
        high=1_000_000,
    )
    key_streams_limit: int = row(
        0,
        "Of these, how many may be one key's; one more is answered 429; 0: IMGEN_KEY_JOBS_LIMIT",
        low=0,
        high=1_000_000,
    )
    operators_address: str = row(
        "", "host:port of a listener of its own for /metrics and /readyz; empty: they are beside the API"
    )
    role: str = row(
        "all",
        "What `imgen serve` does: api answers clients and draws nothing, worker draws what is queued and "
        "answers operators alone, all does both",
        choices=ROLES,
    )
    drain_s: float = row(
        5.0,
        "Seconds that a server goes on after SIGTERM and after /readyz has fallen, so that balancers know "
        "first; a worker ends sooner where it has no job left. Then streams end, and unfinished jobs are "
        "handed back, within 15 s. For `imgen up` 0",
        low=0,
        high=3_600,
    )

    verify_per_minute: int = row(
        20,
        "Requests without a key (`verify` alone needs none) that one address may make in a minute; more are "
        "answered 429; 0: nothing goes without a key",
        low=0,
        high=10_000,
    )
    trusted_proxies: tuple[str, ...] = row(
        (),
        "Networks (10.0.0.0/8, …) of your own proxies, whose X-Forwarded-For, X-Forwarded-Host and "
        "X-Forwarded-Proto are believed",
    )
    private_networks: tuple[str, ...] = row(
        (),
        "Networks that clients' URLs (of pictures to verify, of webhooks) may lead to although they are not "
        "public",
    )
    fetch_timeout_s: float = row(
        10.0,
        "Seconds that fetching from a client's URL may take; whatever goes wrong is told when they are over",
        low=0.1,
        high=60,
    )

    redis_url: str = row(
        "",
        "redis://, rediss:// or unix:// URL, or redis+sentinel://HOST:PORT,HOST:PORT/MASTER/DB; empty: "
        "`imgen up` starts a Redis",
        secret=True,
    )
    redis_prefix: str = row(
        PREFIX,
        "What all names in Redis begin with; the same for all processes that use one Redis; from the "
        "environment alone",
    )
    redis_replicas: int = row(
        0,
        "Replicas of Redis that must have an order before it is accepted, and a verdict before its picture "
        "leaves; with fewer, orders are answered 503, and polls of finished jobs 500",
        low=0,
        high=100,
    )
    redis_replicas_timeout_s: float = row(
        1.0, "Seconds that these replicas are waited for", low=0.01, high=5.0
    )
    redis_max_mb: int = row(
        0,
        "Memory, in MiB, of the Redis that `imgen up` starts; with 9 tenths in use orders are answered 503; "
        "0: half of the machine's",
        low=0,
        high=16_777_216,
    )
    queue_limit: int = row(1000, "Jobs that may wait; more are answered 503", low=1, high=1_000_000)
    key_jobs_limit: int = row(
        200, "Unfinished jobs that one key may have; more are answered 429", low=1, high=1_000_000
    )
    key_stored_jobs: int = row(
        0,
        "Jobs, finished ones too, that one key may have stored; more are answered 429; 0: as many as a full "
        "queue every IMGEN_JOB_DEADLINE_S makes in IMGEN_JOB_KEEP_S",
        low=0,
        high=1_000_000_000,
    )
    key_polls_per_s: int = row(
        0,
        "`status` calls that one key may make in a second, and twice as many requests of all kinds; more are "
        "answered 429; 0: twice IMGEN_KEY_JOBS_LIMIT, at least 100",
        low=0,
        high=10_000_000,
    )
    key_orders_per_minute: int = row(
        600,
        "`generate` calls that one key may make in a minute; more are answered 429",
        low=1,
        high=1_000_000,
    )
    key_prompts_per_minute: int = row(
        60, "`optimize` calls that one key may make in a minute; more are answered 429", low=1, high=1_000_000
    )
    key_verify_per_minute: int = row(
        120, "`verify` calls that one key may make in a minute; more are answered 429", low=1, high=1_000_000
    )
    key_usage_per_minute: int = row(
        60, "`usage` calls that one key may make in a minute; more are answered 429", low=1, high=1_000_000
    )
    key_webhooks_limit: int = row(
        10_000,
        "Finished jobs of one key whose webhook is not delivered yet; with more, orders with `webhook_url` "
        "are answered 429",
        low=1,
        high=1_000_000,
    )
    webhooks_limit: int = row(
        50_000,
        "Likewise of all keys together; with more, orders with `webhook_url` are answered 503",
        low=1,
        high=10_000_000,
    )
    webhook_timeout_s: float = row(
        10.0, "Seconds that a webhook's receiver may take to answer one attempt", low=0.1, high=60
    )
    webhook_retry_s: float = row(
        5.0,
        "Seconds until a webhook that was not delivered is tried again; twice as long after each further "
        "attempt, at most 120 times as long, for an hour",
        low=0.01,
        high=30,
    )
    webhook_ca: Path = row(
        Path(),
        "PEM file of authorities whose certificates webhooks' receivers may have, beside the system's",
    )
    workers: int = row(8, "Jobs that one server process works on at the same time", low=0, high=256)
    job_attempts: int = row(4, "Times that a job is started before it is FAILED", low=1, high=100)
    job_lease_s: float = row(
        15.0, "Seconds without a sign of life after which a job goes to another worker", low=0.5, high=600
    )
    job_deadline_s: float = row(
        300.0, "Seconds from acceptance after which a job is TIMED_OUT", low=1, high=86_400
    )
    job_keep_s: int = row(86_400, "Seconds that a finished job can be polled", low=60, high=2_592_000)

    cache_capacity: int = row(
        100_000, "Pictures that the cache may hold, each 3 KB in every server process", low=1, high=10_000_000
    )
    cache_partition_capacity: int = row(
        50_000, "Pictures of one model, style and character that the cache may hold", low=1, high=10_000_000
    )
    cache_ttl_s: int = row(
        604_800,
        "Seconds that a picture may be handed out again; at most as long as the store keeps it",
        low=1,
        high=2_592_000,
    )
    cache_shared: bool = row(
        True, "Whether a key may be handed pictures that another key made; false: each has a cache of its own"
    )
    cache_snapshot_s: float = row(
        300.0, "Seconds between two snapshots of the cache in the data folder", low=0.1, high=86_400
    )

    triton_urls: tuple[str, ...] = row(
        (),
        "gRPC host:port or unix:/PATH of each Triton, or dns:///name:port of several that come and go, "
        "comma-separated; empty: `imgen up` starts one",
    )
    triton_ca: Path = row(
        Path(), "PEM file of the authority whose certificates Tritons beyond Unix sockets have; empty: no TLS"
    )
    triton_certificate: Path = row(
        Path(), "PEM certificate chain that Tritons are shown (mutual TLS); empty: none"
    )
    triton_key: Path = row(Path(), "PEM private key of that certificate")
    cpu_runtime: str = row(
        "auto",
        "What runs graphs in the Triton that `imgen up` starts, without a GPU: openvino, onnxruntime; auto: "
        "openvino where it can. One seed gives one picture on one runtime in one precision; see "
        "docs/decisions/runtime.md",
        choices=("auto", "openvino", "onnxruntime"),
    )
    cpu_precision: str = row(
        "auto",
        "What its products and convolutions are computed in: f32, bf16 (OpenVINO only); auto: bf16 where the "
        "processor has it",
        choices=("auto", "f32", "bf16"),
    )
    memory_mb: int = row(
        0,
        "MiB that the networks of the Triton that `imgen up` starts may take; orders that do not fit are "
        "refused; 0: what the machine or its control group has",
        low=0,
        high=16_777_216,
    )
    triton_timeout_s: float = row(240.0, "Seconds that one picture may take in Triton", low=1, high=3_600)

    cache_encoder: str = row(
        "prompt-encoder", "Triton model that makes the cache's vectors of prompts; see docs/prompt-encoder.md"
    )
    cache_encoder_timeout_ms: int = row(
        500, "Milliseconds that one vector may take; longer is a miss", low=10, high=10_000
    )

    plain_hosts: tuple[str, ...] = row(
        (),
        "Hosts beyond this machine that may be spoken to without TLS because nobody else is on the way; to "
        "others no key is sent without it, and what else is sent is warned of",
    )

    acs_url: str = row(
        "",
        "Base URL of the ACS reviewer, or unix:/PATH[:/BASE]; empty: `imgen up` starts the reference one",
    )
    acs_key: str = row("", "Bearer key sent to the ACS reviewer", secret=True)
    acs_ca: Path = row(
        Path(), "PEM file of the authority whose certificate the ACS reviewer has; empty: the system's"
    )
    acs_timeout_s: float = row(20.0, "Seconds that one review may take", low=0.1, high=300)

    llm_url: str = row(
        "",
        "Base URL of an OpenAI-compatible server, up to and with /v1, or unix:/PATH:/v1; empty: `imgen up` "
        "starts a small one",
    )
    llm_model: str = row("", "Model name sent to the LLM")
    llm_key: str = row("", "Bearer key sent to the LLM", secret=True)
    llm_timeout_s: float = row(30.0, "Seconds that the LLM may take", low=0.1, high=300)
    llm_at_a_time: int = row(
        4,
        "Prompts that one server process gives the LLM at a time; the others wait, and keys take turns",
        low=1,
        high=1_000,
    )

    s3_bucket: str = row("", "Bucket for pictures; empty: a local folder with signed, expiring URLs")
    s3_endpoint: str = row("", "S3 endpoint URL; empty: AWS")
    s3_public_endpoint: str = row(
        "", "S3 endpoint URL that clients use, if it is another; empty: s3_endpoint"
    )
    s3_region: str = row("us-east-1", "S3 region")
    s3_addressing: str = row("auto", "Bucket in the URL's path or host: path, virtual or auto")
    s3_encryption: str = row("", "Server-side encryption: empty, AES256 or aws:kms")
    url_life_s: int = row(900, "Seconds that a picture's URL stays valid", low=5, high=604_800)

    max_watermark_share: float = row(
        1.0,
        "Largest share of a picture that a client's watermark may cover, by area and opacity; `wm_scale` is "
        "reduced until it does; 1: any",
        low=0.02,
        high=1,
    )
    mark_key: Path = row(
        Path(),
        "Key file of the invisible mark, the same on all servers; empty: DATA_DIR/mark.key, made at first "
        "start",
    )
    c2pa_certificate: Path = row(
        Path(), "PEM certificate chain for content credentials; empty: made at first start"
    )
    c2pa_key: Path = row(
        Path(), "PEM private key of that certificate, in a file that its owner alone may read (0600)"
    )
    c2pa_key_pem: str = row("", "That key itself, in place of a file", secret=True)
    c2pa_signer: str = row(
        "", "Signing process that holds that key: https://…, http:// on loopback, or unix:/PATH"
    )
    c2pa_signer_token: str = row("", "Bearer token sent to the signing process", secret=True)
    c2pa_signer_timeout_s: float = row(5.0, "Seconds that one signature may take there", low=0.1, high=60)
    c2pa_prompt: bool = row(False, "Whether the content credentials tell the prompt")
    tsa_url: str = row(
        "", "RFC 3161 timestamp authority for content credentials; empty: no timestamps", secret=True
    )
    tsa_required: bool = row(False, "Whether a picture fails without a timestamp; else it is signed without")
    tsa_timeout_s: float = row(5.0, "Seconds that one timestamp may take", low=0.1, high=20)
    cs_author: str = row("", "Author in the content credentials where a request names none")
    cs_title: str = row(
        "AI Image", "Title in the content credentials where a request names none", may_be_empty=True
    )
    cs_description: str = row("", "Description in the content credentials where a request names none")
    cs_organization: str = row("", "Organization in the content credentials where a request names none")
    cs_vendor: str = row(
        "imgen", "Vendor in the content credentials where a request names none", may_be_empty=True
    )
    log_level: str = row("info", "How much is logged", choices=("debug", "info", "warning", "error"))
    log_format: str = row(
        "text",
        "text, or json: an object a line, with the ids of request, key, job and trace",
        choices=("text", "json"),
    )
    otlp_url: str = row(
        "",
        "Base URL of a collector of traces (OTLP over HTTP), without /v1/traces; empty: none are made; see "
        "docs/tracing.md",
    )
    trace_share: float = row(
        0.01, "Share of requests whose way is traced, with their jobs, 0 to 1", low=0, high=1
    )


def catalogue_folders(settings: Settings) -> tuple[Path, Path]:
    """The operator's catalogue, and the characters that `imgen character add` puts beside it."""
    return settings.catalogue_dir, settings.data_dir / "catalogue"


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process. Raises SettingError."""
    settings = Settings(**given(environ))
    if settings.redis_prefix != PREFIX:  # of a file, or of an environment that is not this process'
        raise SettingError("redis_prefix: can be set by IMGEN_REDIS_PREFIX in the environment alone")
    return settings


def given(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The rows that the environment or the file sets, by name. Raises SettingError."""
    environ = os.environ if environ is None else environ
    table = _toml(environ.get("IMGEN_CONFIG", ""))
    known = {item.name: item for item in fields(Settings)}
    if unknown := sorted(set(table) - set(known)):
        raise SettingError(f"{environ['IMGEN_CONFIG']}: unknown setting {unknown[0]!r}")
    values = {}
    for name, item in known.items():
        variable = f"IMGEN_{name.upper()}"
        if variable in environ and not _means_default(item, environ[variable]):
            values[name] = _convert(item, environ[variable], variable)
        elif name in table:
            values[name] = _convert(item, table[name], f"{environ['IMGEN_CONFIG']}: {name}")
    return values


def _means_default(item: "Field[Any]", raw: str) -> bool:
    """IMGEN_HOST= is how Compose passes a variable that nobody set."""
    return not raw.strip() and not item.metadata["may_be_empty"]


def _toml(path: str) -> dict[str, Any]:
    if not path:
        return {}
    try:
        return tomllib.loads(Path(path).read_text())
    except OSError as error:
        raise SettingError(f"IMGEN_CONFIG: cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: {error}") from None


def _convert(item: "Field[Any]", raw: Any, where: str) -> Any:
    default = None if item.default is MISSING else item.default
    try:
        value = _to_type(default, raw)
    except RuntimeError:  # of expanduser
        raise SettingError(f"{where}: ~ stands for a home folder, and HOME is not set") from None
    except (TypeError, ValueError, KeyError):
        kind = _KINDS.get(type(default), type(default).__name__)
        shown = "the value" if item.metadata["secret"] else repr(raw)
        raise SettingError(f"{where}: expected {kind}, got {shown}") from None
    low, high = item.metadata["low"], item.metadata["high"]
    if low is not None and not low <= value <= high:
        raise SettingError(f"{where}: expected {low} to {high}, got {value}")
    choices = item.metadata["choices"]
    if choices and value not in choices:
        raise SettingError(f"{where}: expected {', '.join(choices[:-1])} or {choices[-1]}, got {value!r}")
    return value


def _to_type(default: Any, raw: Any) -> Any:
    if isinstance(default, tuple):
        parts = raw.split(",") if isinstance(raw, str) else [_text(part) for part in raw]
        return tuple(part.strip() for part in parts if part.strip())
    if isinstance(default, Path):
        return Path(_text(raw)).expanduser()
    if isinstance(default, str):
        return _text(raw)
    if isinstance(default, bool):
        return raw if isinstance(raw, bool) else _BOOLEANS[_text(raw).lower()]
    if isinstance(raw, bool) or (isinstance(default, int) and isinstance(raw, float)):
        raise TypeError  # Python would take true for 1, and 8080.9 for 8080
    return type(default)(raw)


def _text(raw: Any) -> str:
    if not isinstance(raw, str):
        raise TypeError
    return raw.strip()
