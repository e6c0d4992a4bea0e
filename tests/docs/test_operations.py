"""The operator's day: what of it is a few commands is run as it stands there."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError

from embedded.redis import redis_binary, redis_part
from tests.deploy.orders import until
from tests.docs.shown_commands import ROOT, commands

pytestmark = pytest.mark.redis
SHOWN = commands((ROOT / "docs" / "operations.md").read_text())
# As docs/redis.md has it.
USER = next(
    command.removeprefix("ACL SETUSER ").replace(">PASSWORD", ">OLD")
    for line in (ROOT / "docs" / "redis.md").read_text().splitlines()
    if (command := line.strip()).startswith("ACL SETUSER ")
)


class AdministeredRedis:
    """With users in a file. `ask` is what an operator types."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "users.acl").write_text(f"user default on nopass ~* &* +@all\nuser {USER}\n")
        self._socket = folder / "s"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        settings = ("--port", "0", "--unixsocket", str(self._socket), "--aclfile", "users.acl")
        command = [redis_part(self.folder).command[0], *settings]
        self._process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.DEVNULL)
        until(self._answers)

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait()

    def ask(self, command: str) -> None:
        program = shutil.which("redis-cli") or str(Path(redis_binary()).with_name("redis-cli"))
        command = command.replace("redis-cli", f"{program} -e -s {self._socket}", 1)
        subprocess.run(command, shell=True, check=True, timeout=60, stdout=subprocess.DEVNULL)

    def takes(self, password: str) -> bool:
        client = Redis(unix_socket_path=str(self._socket), username="imgen", password=password)
        try:
            return bool(client.set("imgen:ready", ""))
        except AuthenticationError:
            return False
        finally:
            client.close()

    def _answers(self) -> bool:
        try:
            return bool(Redis(unix_socket_path=str(self._socket)).ping())
        except RedisConnectionError:
            return False


@pytest.fixture
def administered(tmp_path: Path) -> Iterator[AdministeredRedis]:
    redis = AdministeredRedis(tmp_path)
    redis.start()
    yield redis
    redis.stop()


def test_redis_password_is_changed_while_servers_have_either(administered: AdministeredRedis) -> None:
    add, remove, save = (command for command in SHOWN if command.startswith("redis-cli"))
    administered.ask(add)
    assert administered.takes("OLD") and administered.takes("NEW")
    administered.ask(remove)
    administered.ask(save)
    administered.stop()
    administered.start()
    assert administered.takes("NEW") and not administered.takes("OLD")
