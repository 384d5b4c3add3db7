"""OpenAI's SDK without its habit of reading the environment."""

import openai

from autoresearch.proposers.models.client import ModelClient
from autoresearch.proposers.models.connection import bearer, http_client


def openai_client(base_url: str, client: ModelClient) -> openai.OpenAI:
    """Return the SDK with one try a call and only what is given here; no key sends none."""
    sdk = openai.OpenAI(
        api_key=client.key or "none",  # the SDK insists; the HTTP client takes it out again
        base_url=base_url,
        timeout=client.timeout,
        max_retries=0,
        http_client=http_client(base_url, bearer(client.key), client.timeout),
    )
    sdk.organization = sdk.project = sdk.admin_api_key = sdk.webhook_secret = None
    return sdk
