"""The colours of figures, panels and words. Colour-blind safe: Okabe & Ito (2008), without the yellow."""
BLUE = "#0072B2"
RED = "#D55E00"
GREEN = "#009E73"
PURPLE = "#A8518A"  # darker than theirs, for white paper
ORANGE = "#E69F00"
SKY = "#56B4E9"
COLORS = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY)
INK = "#222222"
GREY = "#6b6b6b"
