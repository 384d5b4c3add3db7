"""Telling a person who is not there: notifications over webhooks, and whatever apprise reaches."""

from autoresearch.notify.channels import Address, Channel, addresses, channel
from autoresearch.notify.notification import Kind, Notification
from autoresearch.notify.notifier import Notifier

__all__ = ["Address", "Channel", "Kind", "Notification", "Notifier", "addresses", "channel"]
