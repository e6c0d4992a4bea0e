import re

from contract import redis_keys
from frontend.settings import ROOT

NAME = re.compile(r"""["']imgen:[a-z:]+[:{"']""")


def test_no_second_copy_of_a_name_in_redis() -> None:
    """Anywhere in the product: two processes that call a key by two names do not find each other."""
    folders = [
        ROOT / name for name in ("frontend", "cli", "embedded", "acs", "llm", "export", "model_repository")
    ]
    sources = [path for folder in folders for kind in ("*.py", "*.lua") for path in folder.rglob(kind)]
    assert len(sources) > 100
    assert [path for path in sources if NAME.search(path.read_text())] == []


def test_names_differ_and_are_told_to_lua() -> None:
    names = {name: value for name, value in vars(redis_keys).items() if name.isupper()}
    assert len(set(names.values())) == len(names)
    assert "local QUEUE = 'imgen:queue'\n" in redis_keys.lua_locals()
