"""Draw the letters and digits of matplotlib's fonts: data/train, data/val and data/test.

    python prepare.py

Fonts are split, not pictures: what val and test hold is of fonts that no training sees. Labels of
val and test lie in files of their own, which `autoresearch` keeps from every trial.
"""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.ft2font import FT2Font

SIZE = 16  # pixels a side
SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
SPLITS = {
    "train": [
        "DejaVuSans", "DejaVuSans-Oblique", "DejaVuSerif", "DejaVuSerif-Bold", "STIXGeneral",
        "STIXGeneralItalic", "DejaVuSansMono-Bold", "cmtt10",
    ],
    "val": ["DejaVuSansMono-Oblique", "STIXGeneralBol", "cmss10", "DejaVuSerif-Italic"],
    "test": ["DejaVuSans-BoldOblique", "STIXGeneralBolIta", "cmr10", "DejaVuSansMono"],
}  # fmt: skip
DRAWINGS = 8  # of each sign in each font, at other sizes, angles and places


def draw(font: FT2Font, sign: str, rng: np.random.Generator) -> np.ndarray:
    """Return one picture of a sign: SIZE x SIZE, uint8, 0 is paper."""
    font.set_size(rng.uniform(11.0, 14.0), 72)
    font.set_text(sign, rng.uniform(-12.0, 12.0))
    font.draw_glyphs_to_bitmap(antialiased=True)
    drawn = np.asarray(font)[:SIZE, :SIZE]
    # In the middle, or a pixel beside it.
    room = [SIZE - side for side in drawn.shape]
    top, left = (min(max(each // 2 + rng.integers(-1, 2), 0), each) for each in room)
    picture = np.zeros((SIZE, SIZE))
    picture[top : top + drawn.shape[0], left : left + drawn.shape[1]] = drawn
    noisy = picture * rng.uniform(0.5, 1.0) + rng.normal(0.0, 25.0, picture.shape)
    return noisy.clip(0, 255).astype(np.uint8)


def main() -> None:
    """Write images.npy (count, SIZE, SIZE) and labels.npy (count) of each split."""
    fonts = Path(mpl.get_data_path()) / "fonts" / "ttf"
    for number, (split, names) in enumerate(SPLITS.items()):
        rng = np.random.default_rng(number)
        opened = [FT2Font(str(fonts / f"{name}.ttf")) for name in names]
        signs = list(enumerate(SIGNS)) * DRAWINGS
        pictures = [(draw(font, sign, rng), label) for font in opened for label, sign in signs]
        folder = Path("data") / split
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "images.npy", np.stack([image for image, _ in pictures]))
        np.save(folder / "labels.npy", np.array([label for _, label in pictures], dtype=np.int64))
        print(f"{split}: {len(pictures)} pictures of {len(names)} fonts")


if __name__ == "__main__":
    main()
