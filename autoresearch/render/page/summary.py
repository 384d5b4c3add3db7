"""A study in sentences: what improved, whether it is real, what it cost, what to do next."""

from collections.abc import Iterator

from autoresearch.records.money import dollars
from autoresearch.records.text import counted, safe_line
from autoresearch.records.values import Standing, StudyState, Trust, Verdict
from autoresearch.render import arms, money, words
from autoresearch.render.words import came_from
from autoresearch.report import ExperimentReport, StudyReport
from autoresearch.report.values import interval

_BELIEVED = "believed to be "
NAMED = 8  # experiments of a list
TRUST = {
    Trust.SEALED: "Scores are sealed: the code under test could touch neither them nor their text.",
    Trust.UNSEALED: "Scores are unsealed: no sandbox kept the code under test from the val text, "
    "so believe them no further than that code.",
    Trust.SELF_REPORTED: "Scores are self-reported: each is what the code under test said of "
    "itself.",
}


def heading(report: StudyReport) -> str:
    """Return the finding in one line."""
    gain = report.gain
    if report.best is None or report[report.best].bpb is None:
        return "No score yet"
    if report.best == report.baseline or gain is None:
        return "Nothing better than the baseline yet"
    side = "below" if gain.mean < 0 else "above"
    return f"{abs(gain.mean):.4f} bpb {side} the baseline"


def certainty(report: StudyReport) -> str:
    """Return beside the finding how sure it is; nothing where there is none."""
    if report.gain is None or report.best == report.baseline:
        return ""
    found = interval(report.gain)
    if found is None:
        return f"without an error: nothing was repeated · {report.study.trust}"
    low, high = sorted(-each for each in found)
    return f"95%: {low:.4f} to {high:.4f} · {report.study.trust}"


def facts(report: StudyReport) -> list[str]:
    """Return what a reader must know of a study before any of its scores."""
    study = report.study
    if study.origin:
        return [f"study {safe_line(study.tag, 64)}", came_from(study.origin), str(study.trust)]
    return [
        f"study {safe_line(study.tag, 64)} on {safe_line(study.branch)}",
        words.budget(study.budget_seconds, study.clock),
        safe_line(study.device, 40),
        f"corpus {safe_line(study.corpus, 100)}",
        str(study.trust),
    ]


def told(report: StudyReport) -> list[str]:
    """Return the study in sentences."""
    return [*_best(report), _counts(report), *_real(report), *_proposers(report), *_cost(report)]


def _best(report: StudyReport) -> Iterator[str]:
    if report.best is None or (best := report[report.best]).bpb is None:
        return
    score = words.bpb(best.bpb.mean, best.bpb.error, 4)
    if report.best == report.baseline or report.gain is None:
        yield f"The best is the unchanged project, at val_bpb {score} ({report.study.trust})."
    else:
        yield (
            f"The best is experiment {report.best}, at val_bpb {score} ({report.study.trust}): "
            f"{_gained(report)}"
        )
    yield TRUST[report.study.trust]


def _gained(report: StudyReport) -> str:
    gain = report.gain
    base = report[report.baseline].bpb if report.baseline is not None else None
    assert gain is not None
    share = f" ({abs(gain.mean) / base.mean:.2%})" if base and base.mean else ""
    side = "below" if gain.mean < 0 else "above"
    said = f"{_BELIEVED}{abs(gain.mean):.4f} bpb{share} {side} the baseline"
    if report.study.origin:
        return f"{said.removeprefix(_BELIEVED)}, by that file alone. Each was read once."
    found = interval(gain)
    if found is None:
        return f"{said}. Nothing was repeated, so how sure that is cannot be told."
    low, high = sorted(-each for each in found)
    unsure = "" if low > 0 else " That interval holds zero: it may be no gain at all."
    return f"{said}, with 95% certainty {low:.4f} to {high:.4f}.{unsure}"


def _counts(report: StudyReport) -> str:
    number = {each: report.verdicts.get(each, 0) for each in Verdict}
    kinds = {
        "kept": number[Verdict.KEEP],
        "discarded": number[Verdict.DISCARD],
        "crashed": number[Verdict.CRASH],
        "refused before training": number[Verdict.INVALID],
        "disqualified": number[Verdict.DISQUALIFIED],
        "stale": number[Verdict.STALE],
        "unfinished": report.unfinished,
    }
    listed = ", ".join(f"{words.count(count)} {kind}" for kind, count in kinds.items() if count)
    took = f" in {words.duration(report.at_work)} of work" if report.at_work else ""
    rate = f", {report.per_hour:.1f} an hour" if report.per_hour else ""
    running = " The run is still at work." if report.study.state is StudyState.RUNNING else ""
    count = counted(len(report.experiments), "experiment")
    return f"{count}{took}{rate}: {listed or 'none has a verdict yet'}.{running}"


def _real(report: StudyReport) -> Iterator[str]:
    keeps = [each for each in report.experiments if each.kept and each.parent is not None]
    confirmed = [each for each in keeps if each.standing is Standing.CONFIRMED]
    refuted = [each for each in report.experiments if each.standing is Standing.REFUTED]
    if confirmed:
        count = counted(len(confirmed), "keep")
        home = " ".join(str(each.number) for each in confirmed)
        yield (
            f"{count} confirmed by fresh pairs: {_numbers(confirmed)}. "
            f"To bring them home: autoresearch promote {home}"
        )
    elif keeps and not report.study.origin:
        yield (
            f"None of {counted(len(keeps), 'keep')} is confirmed by fresh pairs yet. To prove and "
            f"bring home the best: autoresearch promote {keeps[-1].number} --confirm"
        )
    if refuted:
        yield f"{counted(len(refuted), 'keep')} refuted by fresh pairs: {_numbers(refuted)}."
    fitted = [each for each in report.experiments if each.gap is not None and each.gap.fitted]
    if fitted:
        yield f"Fitted to val, by the look at test: {_numbers(fitted)}."
    if report.machine.advice:
        yield _sentence(report.machine.advice)


def _numbers(rows: list[ExperimentReport]) -> str:
    named = ", ".join(str(each.number) for each in rows[:NAMED])
    more = len(rows) - NAMED
    return f"{named} and {more} more" if more > 0 else named


def _proposers(report: StudyReport) -> Iterator[str]:
    for each in report.proposers.comparisons:
        yield f"{arms.compared(each).plain}."


def _cost(report: StudyReport) -> Iterator[str]:
    spent = report.spending
    if report.tariff.gpu is not None or any(each.calls for each in spent):
        line = _sentence(money.totals(spent, report.tariff).plain)
        confirmed = f" That is {dollars(report.usd / report.confirmed)} of calls a confirmed keep."
        yield line + (confirmed if report.confirmed and report.usd else "")


def _sentence(said: str) -> str:
    return f"{said[:1].upper()}{said[1:].rstrip('.')}."
