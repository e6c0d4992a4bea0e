"""That all servers mark with the same keys: Redis remembers each key's fingerprint, never the key."""

from pathlib import Path

from redis.asyncio import Redis

from contract.redis_keys import INVISIBLE_KEYS
from frontend.common.errors import SettingError
from frontend.invisible_mark.keys import InvisibleKeys, load_keys, path_of

_AGREE = Path(__file__).with_name("agree.lua").read_text()


async def agree_on_keys(redis: "Redis", mark_key: Path, data_dir: Path) -> InvisibleKeys:
    """This server's keys, if they are those of all servers at this Redis. Raises SettingError.

    A mark that was laid with another key than the one that reads would never be found again.
    """
    path = path_of(mark_key, data_dir)
    marked = await redis.hkeys(INVISIBLE_KEYS)
    # Asked in this order: who starts beside us in one folder writes the file before Redis remembers it.
    if marked and mark_key == Path() and not path.exists():
        raise _missing(path, min(int(version) for version in marked))
    keys = load_keys(mark_key, data_dir)
    pairs = [str(text) for pair in keys.fingerprints.items() for text in pair]
    refused = await redis.register_script(_AGREE)(keys=[INVISIBLE_KEYS], args=pairs)
    if refused is None:
        return keys
    version = int(refused)
    if version not in keys.versions:
        raise _missing(path, version)
    raise SettingError(
        f"mark_key: version {version} in {path} is not the key that pictures were marked with; "
        "copy the key file of a server that runs, or give a new key a new version"
    )


def _missing(path: Path, version: int) -> SettingError:
    return SettingError(
        f"mark_key: {path} lacks version {version}, with which pictures were marked; "
        "copy the key file of a server that runs, or of the backup"
    )
