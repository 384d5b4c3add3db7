"""The page, put together: one file, every text escaped, nothing fetched and no foreign script run.

Jinja's autoescaping is the one place where text becomes HTML; data become JSON that cannot end
its element (`tojson`), and the page's own script puts texts into the document as texts. Were any of
that to fail, the policy in the page's head lets no script or style run but the two whose hashes it
names, and no address be asked for anything; a page that is served asks the place it came from.
"""

import base64
import hashlib
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from autoresearch.records.metric import BITS_PER_BYTE
from autoresearch.render import words
from autoresearch.render.page import summary, tables
from autoresearch.render.page.data import chart_data
from autoresearch.render.page.details import details
from autoresearch.render.scores import ScoreFormat
from autoresearch.report import StudyReport

_HERE = "autoresearch.render.page"
_SCRIPT = ("base", "progress", "charts", "list", "detail", "live", "start")  # one after another


def page(report: StudyReport, *, version: str | None = None) -> str:
    """Return a study as a page of HTML.

    Args:
        report: the study.
        version: what the page says it is of. With one it looks beside its own address whether there
            is another `version`, and then shows that: for who serves it.
    """
    script, style = _script(), _own("page.css")
    form = ScoreFormat.of(report.study)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            title=f"{report.study.tag} · autoresearch",
            heading=summary.heading(report),
            certainty=summary.certainty(report),
            facts=[each.plain for each in words.study_facts(report.study)],
            sentences=summary.sentences(report),
            tables=tables.tables(report),
            made=words.moment(report.made),
            version=version,
            score=f"{form.name} ({form.trust})",
            better=form.better_effects,
            unit=_unit(form),
            data=chart_data(report),
            details=details(report),
            script=Markup(script),  # noqa: S704 - ours, and its hash is in the policy
            style=Markup(style),  # noqa: S704 - the same
            policy=_policy(script, style, served=version is not None),
        )
    )


def _policy(script: str, style: str, *, served: bool) -> str:
    asked = "connect-src 'self'; " if served else ""
    return (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; {asked}"
        "base-uri 'none'; form-action 'none'"
    )


def _unit(form: ScoreFormat) -> str:
    if form.metric == BITS_PER_BYTE:
        return "bits per byte on val"
    return form.unit.strip() or form.name


def _script() -> str:
    parts = "".join(_own(f"script/{name}.js") for name in _SCRIPT)
    return f'"use strict";\n{{\n{parts}}}\n'


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _own(name: str) -> str:
    return files(_HERE).joinpath(name).read_text("utf-8")


def _environment() -> Environment:
    loader = PackageLoader(_HERE, ".")
    return Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
