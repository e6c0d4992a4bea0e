"""What an answer tells of its key's limits, in the fields RateLimit and RateLimit-Policy."""

from aiohttp import web

from frontend.domain.quota import RATE_LIMIT, Quota, quota_headers

_QUOTAS = web.RequestKey("quotas", list[Quota])


def quotas_of(request: web.BaseRequest) -> list[Quota]:
    """Those that were looked at for it; whoever looks at one more appends it."""
    quotas = request.get(_QUOTAS)
    if quotas is None:
        quotas = request[_QUOTAS] = []
    return quotas


def tell_quotas(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """A refusal tells by itself of the limit that it is for."""
    if (quotas := request.get(_QUOTAS)) and RATE_LIMIT not in response.headers:
        response.headers.update(quota_headers(quotas))
