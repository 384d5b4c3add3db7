"""Changes as text: edits, constants, diffs and what a change means. Pure; nothing is run."""

from autoresearch.patching.applying import apply_diff, named_files
from autoresearch.patching.constants import Constant, Number, constants, numbers, set_constants
from autoresearch.patching.diffs import Delta, delta, unified_diff
from autoresearch.patching.edits import Block, apply_blocks, apply_file, parse_blocks
from autoresearch.patching.effect import effect_hash
from autoresearch.patching.family import steering_change
from autoresearch.patching.paths import glob_fault, matches, matching
from autoresearch.patching.syntax import syntax_fault

__all__ = [
    "Block",
    "Constant",
    "Delta",
    "Number",
    "apply_blocks",
    "apply_diff",
    "apply_file",
    "constants",
    "delta",
    "effect_hash",
    "glob_fault",
    "matches",
    "matching",
    "named_files",
    "numbers",
    "parse_blocks",
    "set_constants",
    "steering_change",
    "syntax_fault",
    "unified_diff",
]
