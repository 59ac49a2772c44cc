# The lines of guest_summary.jq as an SVG picture: operations a second relative to the kernel's aoe driver, MTU 9000, no
# loss; a panel for each target, a group of bars for each job. Readable on a light and on a dark page.
def names(f): reduce .[] as $line ([]; ($line | f) as $name | if index([$name]) then . else . + [$name] end);
def text($x; $y; $class; $words): "<text x=\"\($x)\" y=\"\($y)\" class=\"\($class)\">\($words)</text>";
def range_of: "\(min)\(if min == max then "" else " to \(max)" end)";
def about: . * 10 | round / 10;
{"randread_4k_qd1": "4 KiB random reads, depth 1", "randread_4k_qd32": "4 KiB random reads, depth 32",
 "randwrite_4k_qd32": "4 KiB random writes, depth 32", "read_64k_qd8": "64 KiB reads, depth 8",
 "write_64k_qd8": "64 KiB writes, depth 8", "read_1M_qd4": "1 MiB reads, depth 4", "write_1M_qd4": "1 MiB writes, depth 4"} as $titles
| {"uaoe-ublk": "uaoe, ublk", "uaoe-nbd": "uaoe, NBD", "aoe": "kernel aoe", "nvme-tcp": "nvme-tcp (kernel)", "iscsi": "iSCSI (tgt, open-iscsi)",
   "nbdkit": "kernel NBD to nbdkit (no network)"} as $labels
| {"vblade": "Target: vblade", "model": "Target: the model target, which answers in batches"} as $panels
# What a panel's width stands for; longer bars are cut, and their figure tells.
| 4 as $ratio_max | 330 as $width | 11 as $bar | 18 as $title
| map(select(.kind == "guest" and .mtu_bytes == 9000 and .loss_percent == 0 and .ratio != null and $labels[.contender] != null)) as $lines
| ($labels | keys_unsorted | map(select(. as $name | any($lines[]; .contender == $name)))) as $contenders
| ($lines | names(.job)) as $jobs
| ($panels | keys_unsorted | map(select(. as $name | any($lines[]; .target == $name)))) as $targets
| ($title + ($contenders | length) * $bar + 10) as $group
| (108 + ($jobs | length) * $group) as $bottom
| (20 + ($targets | length) * ($width + 60)) as $total
| $lines[0] as $one
| def x($panel; $ratio): 20 + $panel * ($width + 60) + ($ratio / $ratio_max * $width) | about;
  def bar_of($panel; $top; $line): ($contenders | index([$line.contender])) as $row
    | ($top + $title + $row * $bar) as $y
    | ([$line.ratio, $ratio_max] | min) as $shown
    | "<rect x=\"\(x($panel; 0))\" y=\"\($y)\" width=\"\($shown / $ratio_max * $width | about)\" height=\"\($bar - 2)\" class=\"c\($row)\"/>",
      text(x($panel; $shown) + 3; $y + $bar - 3; "value"; "\($line.ratio)\(if $line.ratio > $ratio_max then " →" else "" end)");
  [ "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\($total)\" height=\"\($bottom + 64)\" viewBox=\"0 0 \($total) \($bottom + 64)\" role=\"img\">",
    "<title>Operations a second relative to the kernel's aoe driver</title>",
    "<style>text{font-family:sans-serif;font-size:11px;fill:#24292f}.head{font-size:14px;font-weight:bold}.panel{font-weight:bold}.value,.note{font-size:9px;fill:#57606a}",
    ".one{stroke:#57606a;stroke-dasharray:3 2}.c0{fill:#0a7f3f}.c1{fill:#63b383}.c2{fill:#57606a}.c3{fill:#3b6fd4}.c4{fill:#8d6ad0}.c5{fill:#c08a2e}",
    "@media (prefers-color-scheme:dark){text{fill:#e6edf3}.value,.note{fill:#9da7b1}.one{stroke:#9da7b1}.c0{fill:#2fbf71}.c1{fill:#1d7a49}.c2{fill:#8b949e}.c3{fill:#6c9cff}.c4{fill:#b294f0}.c5{fill:#dba94b}}</style>",
    text(20; 22; "head"; "Operations a second, relative to the kernel's aoe driver (dashed line), MTU 9000"),
    ($contenders | to_entries[] | (20 + .key % 3 * (($total - 40) / 3) | round) as $x | (36 + (.key / 3 | floor) * 18) as $y
      | "<rect x=\"\($x)\" y=\"\($y)\" width=\"10\" height=\"10\" class=\"c\(.key)\"/>", text($x + 14; $y + 9; "label"; $labels[.value])),
    ($targets | to_entries[] as {key: $panel, value: $target}
      | text(x($panel; 0); 92; "panel"; $panels[$target]),
        ($jobs | to_entries[] as {key: $row, value: $job} | (104 + $row * $group) as $top
          | text(x($panel; 0); $top + 12; "label"; $titles[$job]),
            ($lines[] | select(.target == $target and .job == $job) | bar_of($panel; $top; .))),
        "<line x1=\"\(x($panel; 1))\" x2=\"\(x($panel; 1))\" y1=\"98\" y2=\"\($bottom)\" class=\"one\"/>"),
    text(20; $bottom + 18; "note"; "Medians of \($lines | map(.rounds) | range_of) rounds in \($lines | map(.boots) | range_of) boots, \($one.date). Linux \($one.kernel) with two processors on \($one.processor)."),
    text(20; $bottom + 32; "note"; "Under emulation (QEMU TCG): initiator and target share the processors, and the ratios count, not the figures."),
    text(20; $bottom + 46; "note"; "Every target serves the guest's memory; all but nbdkit over a veth pair without offloads."),
    "</svg>" ] | .[]
