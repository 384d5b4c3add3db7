"""`report.html`: a study as one page that needs nothing but a browser."""

from autoresearch.render.page.writing import page

__all__ = ["page"]
