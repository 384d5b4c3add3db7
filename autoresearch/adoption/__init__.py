"""`init --adopt`: what can be found in a repository of the person's, and a project made of it."""

from autoresearch.adoption.adopting import AGENTS_FILE, Adopted, adopt
from autoresearch.adoption.description import described
from autoresearch.adoption.history import TAG
from autoresearch.adoption.surroundings import Machine
from autoresearch.adoption.values import Found, Wishes

__all__ = ["AGENTS_FILE", "TAG", "Adopted", "Found", "Machine", "Wishes", "adopt", "described"]
