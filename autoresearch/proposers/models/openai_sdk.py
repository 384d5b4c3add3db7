"""OpenAI's SDK without its habit of reading the environment."""

import openai

from autoresearch.proposers.models.connection import http_client


def openai_client(base_url: str, key: str | None, timeout: float) -> openai.OpenAI:
    """Return a client with one try a call and only what is given here; no key sends none."""
    client = openai.OpenAI(
        api_key=key or "none",  # the SDK insists; the HTTP client takes it out again
        base_url=base_url,
        timeout=timeout,
        max_retries=0,
        http_client=http_client(base_url, key, timeout),
    )
    client.organization = client.project = client.admin_api_key = client.webhook_secret = None
    return client
