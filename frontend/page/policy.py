"""What a browser may do on the page: nothing but what is named here."""


def page_policy(pictures: str) -> str:
    """Content-Security-Policy. `pictures`: what their links begin with; "" where that is not known."""
    store = f" {pictures}" if pictures else ""
    rules = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        f"img-src 'self' blob:{store}",  # blob: what came by fetch, with the key in its header
        f"connect-src 'self'{store}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    return "; ".join(rules)
