"""``python evaluate.py EVALUATOR``: run a project's evaluator as its own interpreter would.

But for the order in which modules are looked for: what lies beside the evaluator comes last, so a
file that a proposal adds there stands in for no module of Python's and none that is installed. And
lack of memory has an exit code of its own, so that it can be told from a bug.
"""

import runpy
import sys
import traceback
from pathlib import Path

OUT_OF_MEMORY = 86  # the exit code


def main() -> None:
    """Run the evaluator named on the command line."""
    del sys.argv[0]
    own, beside = (str(Path(each).absolute().parent) for each in (__file__, sys.argv[0]))
    sys.path[:] = [*(each for each in sys.path if each != own), beside]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except Exception as fault:
        if not isinstance(fault, MemoryError) and type(fault).__name__ != "OutOfMemoryError":
            raise
        traceback.print_exc()
        sys.exit(OUT_OF_MEMORY)


if __name__ == "__main__":
    main()
