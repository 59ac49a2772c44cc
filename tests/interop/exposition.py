#!/usr/bin/env python3
"""Whether standard input is what Prometheus's text format (0.0.4) allows, and what its naming rules ask for.

  exposition.py [EXPRESSIONS]     EXPRESSIONS: a file with PromQL, of which every metric must be there

Prints the number of families and samples; otherwise each mistake, and ends with 1."""
import math
import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")
UNITS = ("seconds", "bytes", "frames", "info", "total", "ratio")
COUNTED = ("uaoe_lun_state", "uaoe_path_state", "uaoe_lun_requests_pending", "uaoe_interface_up",
           "uaoe_process_open_fds", "uaoe_shard_targets")  # gauges without a unit

mistakes = []
families = {}  # name: type
helped = set()
samples = {}  # (name, labels): value
current = None
closed = set()


def wrong(line, what):
    mistakes.append(f"line {line}: {what}")


def family_of(name):
    for suffix in ("_bucket", "_sum", "_count"):
        base = name.removesuffix(suffix)
        if base != name and families.get(base) == "histogram":
            return base
    return name


text = sys.stdin.buffer.read().decode("utf-8", "strict")
if not text.endswith("\n"):
    wrong("last", "has no newline")
for number, line in enumerate(text.splitlines(), 1):
    if line.startswith("# HELP "):
        match = re.fullmatch(rf"# HELP ({NAME}) (\S.*)", line)
        if not match or match[1] in helped:
            wrong(number, f"HELP is wrong or is there twice: {line}")
        else:
            helped.add(match[1])
    elif line.startswith("# TYPE "):
        match = re.fullmatch(rf"# TYPE ({NAME}) (counter|gauge|histogram)", line)
        if not match or match[1] in families:
            wrong(number, f"TYPE is wrong or is there twice: {line}")
            continue
        name, kind = match[1], match[2]
        families[name] = kind
        closed.add(current)
        current = name
        if name not in helped:
            wrong(number, f"{name} has no HELP")
        if not re.fullmatch(r"uaoe_[a-z]+(_[a-z]+)*", name):
            wrong(number, f"{name} is not snake_case with the prefix uaoe_")
        if (kind == "counter") != name.endswith("_total"):
            wrong(number, f"{name}: counters, and nothing else, end in _total")
        if kind == "histogram" and not name.endswith("_seconds"):
            wrong(number, f"{name}: a histogram of what?")
        if kind == "gauge" and not name.endswith(UNITS) and name not in COUNTED:
            wrong(number, f"{name} has no unit")
    else:
        match = SAMPLE.fullmatch(line)
        if not match:
            wrong(number, f"neither a comment nor a sample: {line}")
            continue
        name = match[1]
        pairs = re.findall(LABEL, match[2] or "")
        labels = tuple(sorted(pairs))
        if len(dict(pairs)) != len(pairs):
            wrong(number, f"a label twice: {line}")
        try:
            value = float(match.groups()[-1])
        except ValueError:
            wrong(number, f"not a number: {line}")
            continue
        if family_of(name) != current:
            wrong(number, f"{name} is not in its family")
        if (name, labels) in samples:
            wrong(number, f"a sample twice: {line}")
        if families.get(current) != "gauge" and not (0 <= value < math.inf):
            wrong(number, f"a counter that is {value}")
        samples[name, labels] = value

for name, kind in families.items():
    if kind != "histogram":
        continue
    series = {}
    for (sample, labels), value in samples.items():
        if sample == name + "_bucket":
            bound = dict(labels)["le"]
            rest = tuple(pair for pair in labels if pair[0] != "le")
            series.setdefault(rest, []).append((float(bound), value))
    for rest, buckets in series.items():
        bounds = [bound for bound, _ in buckets]
        counts = [count for _, count in buckets]
        if bounds != sorted(set(bounds)) or bounds[-1] != math.inf:
            mistakes.append(f"{name} {rest}: bounds {bounds}")
        if counts != sorted(counts):
            mistakes.append(f"{name} {rest}: buckets do not grow: {counts}")
        if samples.get((name + "_count", rest)) != counts[-1]:
            mistakes.append(f"{name} {rest}: _count is not the last bucket")
        total = samples.get((name + "_sum", rest))
        if total is None or (total > 0) != (counts[-1] > 0):
            mistakes.append(f"{name} {rest}: _sum is {total} with {counts[-1]} in it")

present = {name for name, _ in samples}
if len(sys.argv) > 1:
    asked = set(re.findall(r"\buaoe_[a-z_]+\b", open(sys.argv[1], encoding="utf-8").read()))
    if not asked:
        mistakes.append(f"{sys.argv[1]} names no metric")
    mistakes += [f"{sys.argv[1]} asks for {name}, which there is not" for name in sorted(asked - present)]
    mistakes += [f"{name} has no sample" for name in families if not any(family_of(sample) == name for sample in present)]

for mistake in mistakes:
    print(mistake)
print(f"{len(families)} families, {len(samples)} samples")
sys.exit(1 if mistakes else 0)
