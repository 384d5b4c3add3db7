"""What the command `autoresearch` and ``python -m autoresearch`` start."""


def main() -> None:
    """Run the command line; see `autoresearch.cli`. Ctrl-C ends it in a line, also at once."""
    try:
        # Imported here, and first of all: imports take most of the time in which one may strike.
        import signal  # noqa: PLC0415

        from autoresearch.cli import main as run  # noqa: PLC0415

        try:
            run()
        finally:
            # What is left is the interpreter's own end: an interrupt there has nothing to say.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
    except KeyboardInterrupt:
        raise SystemExit(_interrupted()) from None


def _interrupted() -> int:
    import os  # noqa: PLC0415 - it is loaded by now

    os.write(2, b"autoresearch: interrupted\n")
    return 130


if __name__ == "__main__":
    main()
