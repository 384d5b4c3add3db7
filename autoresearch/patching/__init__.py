"""Changes as text: edits, constants, diffs and what a change means. Pure; nothing is run."""

from autoresearch.patching.applying import apply_diff, named_files
from autoresearch.patching.blocks import apply_blocks, find_blocks, parse_blocks
from autoresearch.patching.constants import Constant, Number, constants, numbers, set_constants
from autoresearch.patching.diffs import Delta, delta, unified_diff
from autoresearch.patching.edits import Edit, EditReading, apply_edits, apply_file, rewrite
from autoresearch.patching.effect import effect_hash
from autoresearch.patching.family import steering_change
from autoresearch.patching.hunks import find_hunks
from autoresearch.patching.lines import split_lines, unindented
from autoresearch.patching.merging import merge_files
from autoresearch.patching.naming import heading_path, path_above, path_in
from autoresearch.patching.syntax import syntax_fault
from autoresearch.records.globs import glob_fault, matches, matching

__all__ = [
    "Constant",
    "Delta",
    "Edit",
    "EditReading",
    "Number",
    "apply_blocks",
    "apply_diff",
    "apply_edits",
    "apply_file",
    "constants",
    "delta",
    "effect_hash",
    "find_blocks",
    "find_hunks",
    "glob_fault",
    "heading_path",
    "matches",
    "matching",
    "merge_files",
    "named_files",
    "numbers",
    "parse_blocks",
    "path_above",
    "path_in",
    "rewrite",
    "set_constants",
    "split_lines",
    "steering_change",
    "syntax_fault",
    "unified_diff",
    "unindented",
]
