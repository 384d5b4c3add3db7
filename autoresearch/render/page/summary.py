"""A study in sentences: what improved, whether it is real, what it cost, what to do next."""

from collections.abc import Iterator

from autoresearch.records.money import dollars
from autoresearch.records.text import counted
from autoresearch.records.values import Estimate, Standing, StudyState, Trust, Verdict
from autoresearch.render import arms, duty, money, words
from autoresearch.render.page.tables import sentence
from autoresearch.render.scores import ScoreFormat
from autoresearch.report import ExperimentReport, StudyReport
from autoresearch.report.values import interval

NAMED = 8  # experiments of a list
TRUST = {
    Trust.SEALED: "Scores are sealed: the code under test could touch neither them nor their text.",
    Trust.EVALUATED: "Scores are evaluated: a fixed program of the project's read what the code "
    "under test left, with data out of its reach.",
    Trust.UNSEALED: "Scores are unsealed: no sandbox kept the code under test from the val {data}, "
    "so believe them no further than that code.",
    Trust.SELF_REPORTED: "Scores are self-reported: each is what the code under test said of "
    "itself.",
}


def heading(report: StudyReport) -> str:
    """Return the finding in one line."""
    gain = report.gain
    if report.incumbent is None or report.incumbent.bpb is None:
        return "No score yet"
    if gain is None:
        return "Nothing better than the baseline yet"
    form = ScoreFormat.of(report.study)
    name = "" if form.unit else f"{form.name} "
    return f"{name}{form.distance(gain.mean)}"


def certainty(report: StudyReport) -> str:
    """Return beside the finding how sure it is; nothing where there is none."""
    if report.gain is None:
        return ""
    found = interval(report.gain)
    if found is None:
        return f"without an error: nothing was repeated · {report.study.trust}"
    return f"95%: {_from_to(report, found)} · {report.study.trust}"


def sentences(report: StudyReport) -> list[str]:
    """Return the study in sentences."""
    parts = (_best, _counts, _time, _real, _proposers, _cost)
    return [sentence for part in parts for sentence in part(report)]


def _best(report: StudyReport) -> Iterator[str]:
    if (best := report.incumbent) is None or best.bpb is None:
        return
    form = ScoreFormat.of(report.study)
    score = f"{form.name} {form.number(best.bpb.mean, best.bpb.error)} ({form.trust})"
    if report.gain is None:
        yield f"The best is the unchanged project, at {score}."
    else:
        told = _gained(report, report.gain, form)
        yield f"The best is experiment {report.best}, at {score}: {told}"
    data = "text" if form.metric.is_bits_per_byte else "data"
    yield TRUST[report.study.trust].format(data=data)


def _gained(report: StudyReport, gain: Estimate, form: ScoreFormat) -> str:
    base = report.baseline_score
    said = form.distance(gain.mean, base.mean if base else None)
    if not report.trained_here:
        return f"{said}, by that file alone. Each was read once."
    said = f"believed to be {said}"
    found = interval(gain)
    if found is None:
        return f"{said}. Nothing was repeated, so how sure that is cannot be told."
    unsure = "" if max(found) < 0 else " That interval holds zero: it may be no gain at all."
    return f"{said}, with 95% certainty {_from_to(report, found)}.{unsure}"


def _from_to(report: StudyReport, found: tuple[float, float]) -> str:
    """Return an interval of a gain, in which more is better."""
    low, high = sorted(-each + 0.0 for each in found)
    amount = report.study.metric.amount
    return f"{amount(low)} to {amount(high)}"


def _counts(report: StudyReport) -> Iterator[str]:
    kinds = report.verdicts.described({Verdict.INVALID: "refused before training"})
    kinds += [f"{words.count(report.unfinished)} unfinished"] if report.unfinished else []
    listed = ", ".join(kinds)
    took = f" in {words.duration(report.at_work)} of work" if report.at_work else ""
    rate = f", {report.per_hour:.1f} an hour" if report.per_hour else ""
    running = " The run is still at work." if report.study.state is StudyState.RUNNING else ""
    count = counted(len(report.experiments), "experiment")
    yield f"{count}{took}{rate}: {listed or 'none has a verdict yet'}.{running}"


def _time(report: StudyReport) -> Iterator[str]:
    if line := duty.line(report.duty):
        yield sentence(line.plain)


def _real(report: StudyReport) -> Iterator[str]:
    if not report.trained_here:
        yield (
            "None of it was trained here: it is what a table says, and nothing of it can be "
            "confirmed or promoted."
        )
        return
    keeps = report.keeps
    confirmed = [each for each in keeps if each.standing is Standing.CONFIRMED]
    refuted = [each for each in report.experiments if each.standing is Standing.REFUTED]
    if confirmed:
        count = counted(len(confirmed), "keep")
        home = " ".join(str(each.number) for each in confirmed)
        yield (
            f"{count} confirmed by fresh pairs: {_numbers(confirmed)}. "
            f"To bring them home: autoresearch promote {home}"
        )
    elif keeps:
        which = "The keep is not" if len(keeps) == 1 else f"None of {len(keeps)} keeps is"
        yield (
            f"{which} confirmed by fresh pairs yet. To prove and "
            f"bring home the best: autoresearch promote {keeps[-1].number} --confirm"
        )
    if refuted:
        yield f"{counted(len(refuted), 'keep')} refuted by fresh pairs: {_numbers(refuted)}."
    fitted = [each for each in report.experiments if each.gap is not None and each.gap.fitted]
    if fitted:
        yield f"Fitted to val, by the look at test: {_numbers(fitted)}."
    if report.machine.advice:
        yield sentence(report.machine.advice)


def _numbers(rows: list[ExperimentReport]) -> str:
    named = ", ".join(str(each.number) for each in rows[:NAMED])
    more = len(rows) - NAMED
    return f"{named} and {more} more" if more > 0 else named


def _proposers(report: StudyReport) -> Iterator[str]:
    form = ScoreFormat.of(report.study)
    for each in report.proposers.comparisons:
        yield f"{arms.compared(each, form).plain}."


def _cost(report: StudyReport) -> Iterator[str]:
    if report.costs_money:
        line = sentence(money.totals(report).plain)
        if report.confirmed and report.usd:
            line += f" That is {dollars(report.usd / report.confirmed)} of calls a confirmed keep."
        yield line
