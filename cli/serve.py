"""`imgen serve`: the API server alone, or one of its halves; the other parts are URLs in the settings."""

import argparse
from dataclasses import replace

from cli.errors import UserError
from cli.help import Commands, command
from frontend.settings import ROLES, load


def add(commands: Commands) -> None:
    examples = (
        "  IMGEN_REDIS_URL=redis://redis:6379 IMGEN_TRITON_URLS=gpu1:8001,gpu2:8001 \\\n"
        "  IMGEN_ACS_URL=http://acs:8500 IMGEN_S3_BUCKET=pictures imgen serve\n"
        "  imgen serve --role worker                 draws what the servers of --role api accept"
    )
    parser = command(commands, "serve", "Run the API server alone (production)", examples, run)
    parser.add_argument("--role", choices=ROLES, help="all, or one half of it (default: IMGEN_ROLE)")


def run(arguments: argparse.Namespace) -> int:
    # Here, because the other commands need none of what a server is made of.
    from redis.exceptions import RedisError

    from frontend.common.redis_probe import redis_fault
    from frontend.serve import serve

    settings = load()
    if arguments.role:
        settings = replace(settings, role=arguments.role)
    try:
        serve(settings)
    except RedisError as error:
        raise UserError(redis_fault(error)) from None
    except OSError as error:
        raise UserError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}") from None
    return 0
