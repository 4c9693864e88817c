"""The report in words: lines for people, from what report.json has."""


def in_words(report):
    """All sections of a report as text. Each is headed by the card, the torch version and the command."""
    blocks = [_block(section, report[section]) for section in SECTIONS if section in report]
    return "\n\n".join(blocks) + "\n"


def _block(section, value):
    title, lines_of = SECTIONS[section]
    on = value.get("on", {})
    heading = [f"## {title}"]
    if on:
        heading.append(f"   {on['card']}, torch {on['torch']}: {on['command']}")
    return "\n".join(heading + lines_of(value))


def _plan(value):
    lines = [f"{row['phase']:8} {row['seconds']:5.0f} s at most  {row['about']}" for row in value["phases"]]
    return [*lines, f"faces: {value['faces']}"]


def _ends(value):
    return [f"{name:8} {row['seconds']:5.0f} s, {row['end']}" for name, row in value.items()]


def _tests(value):
    counts = ", ".join(f"{number} {word}" for word, number in value["counts"].items()) or "none ran"
    same = {}  # tests that ended alike, for the same reason
    for name, result in value["results"].items():
        if result["outcome"] != "passed":
            reason = result["reason"].strip().splitlines()
            same.setdefault((result["outcome"], reason[-1] if reason else ""), []).append(name)
    lines = [f"{counts} ({value['state']})"]
    for (outcome, reason), names in same.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        lines.append(f"  {outcome}: {names[0]}{more}: {reason}")
    return lines


def _ceilings(value):
    if "matrix" not in value:
        return [value["state"]]
    lines = [f"matrix product, {name}: {rate / 1e12:,.2f} TFLOP/s" for name, rate in value["matrix"].items()]
    return [*lines, f"copy on the device: {value['copy'] / 1e9:,.0f} GB/s, read and written"]


def _speeds(value):
    head = f"{'preset':20} {'batch':>5} {'steps':8} {'images/s':>9} {'GFLOP':>7} {'share':>6} {'busy':>5}"
    return [f"{head} a step", *map(_speed, value["rows"])]


def _speed(row):
    name = f"{row['preset']:20} {row['batch']:5} {row['steps']:8}"
    if "images_per_second" not in row:
        return f"{name} {row['state']}"
    flop = f"{row['flop_per_image'] / 1e9:7.2f}" if "flop_per_image" in row else " " * 7
    cells = [f"{row['images_per_second']:9,.0f}", flop, _percent(row.get("share"), 6),
             _percent(row.get("busy"), 5)]
    counts = [f"{row[key]:,.0f} {key}" for key in ("kernels", "launches", "operations") if key in row]
    same = [f"also {', '.join(row['also'])}"] if row.get("also") else []
    return " ".join([name, *cells, ", ".join(counts), *same])


def _percent(value, width):
    return f"{value:{width}.0%}" if value is not None else " " * width


def _penalties(value):
    if "rows" not in value:
        return [value["state"]]
    lines = [f"{'preset':20} {'penalty':8} {'precision':16} {'difference':>10} {'cosine':>8}"]
    for row in value["rows"]:
        lines.append(f"{row['preset']:20} {row['penalty']:8} {row['precision']:16} "
                     f"{row['difference']:10.2e} {row['cosine']:8.5f}")
    return lines


def _drawing(value):
    if "seconds" not in value:
        return [value["state"]]
    return [f"{value['n']:,} pictures of {value['generator']}: drawn in {value['draw_seconds']:.2f} s, "
            f"scored in {value['score_seconds']:.2f} s, {value['seconds']:.2f} s together"]


def _train(value):
    lines = [f"{value['preset']}, profile {value['profile']}: {value['images']:,} images in "
             f"{value['train_seconds']:.0f} s ({value['images_per_second']:,.0f} images/s)"]
    for point in value.get("curve", []):
        lines.append(f"  {point['images']:11,} images: FD-lite {point['fd']:.1f} of {point['n']:,} pictures")
    if best := value.get("best"):
        lines.append(f"best: {best['file']}, FD-lite {best['fd']:.1f} of {best['n']:,} pictures")
    return lines + ([value["state"]] if "state" in value else [])


def _table(value):
    lines = [f"{value['images']:,} images each, up to {value['together']} trainings at a time",
             f"{'model':18} {'images':>10} {'seconds':>8} {'FD-lite':>8} {'precision':>9} {'recall':>6}"]
    for row in sorted(value["rows"], key=lambda row: row.get("fd", 1e9)):
        if "fd" not in row:
            lines.append(f"{row['model']:18} {row['state']}")
            continue
        short = "" if row["images"] >= value["images"] else "  (stopped early)"
        lines.append(f"{row['model']:18} {row['images']:10,} {row['train_seconds']:8.0f} {row['fd']:8.1f} "
                     f"{row['precision']:9.2f} {row['recall']:6.2f}{short}")
    return lines


def _files(value):
    return [f"{name}: {note['bytes'] / 1e6:.1f} MB, files: {note['parts']}" for name, note in value.items()]


# in the order in which they are written: {section: (title, function of its value that gives lines)}
SECTIONS = {
    "plan": ("Plan", _plan),
    "ends": ("How the phases ended", _ends),
    "tests": ("CUDA tests", _tests),
    "ceilings": ("Ceilings", _ceilings),
    "speeds": ("Images a second", _speeds),
    "penalties": ("Gradients of the penalties against those of exact fp32", _penalties),
    "drawing": ("Drawing and scoring", _drawing),
    "train": ("Training", _train),
    "table": ("The table", _table),
    "files": ("Files", _files),
}
