# The lines of guest_summary.jq as tables: ratios to the kernel's aoe driver with their range, and CPU seconds per GiB.
def pad($width): tostring | . + ((" " * ([$width - length, 0] | max)) // "");
def figure: if . == null then "-" elif . >= 100 then round elif . >= 10 then (. * 10 | round / 10) else . end;
# in the order of the lines
def names(f): reduce .[] as $line ([]; ($line | f) as $name | if index([$name]) then . else . + [$name] end);
map(select(.kind == "guest")) | sort_by([.target, .mtu_bytes, .loss_percent]) as $all
| . as $lines | names(.contender) as $contenders | names(.job) as $jobs
| ($all | group_by([.target, .mtu_bytes, .loss_percent])[]
| . as $group | .[0] as $one
| def cell($job; $contender): first($group[] | select(.job == $job and .contender == $contender)) // null;
  def rows(f): $jobs[] as $job | select(any($group[]; .job == $job)) | "  " + ($job | pad(18)) + ([$contenders[] as $c | cell($job; $c) | if . == null then "-" else f end | pad(30)] | join(""));
  "",
  "\($one.target), MTU \($one.mtu_bytes), loss \($one.loss_percent) %, \($one.boots) boots, \($one.rounds) rounds. Operations a second: ratio to aoe (range); of aoe itself the figure",
  "  " + ("" | pad(18)) + ($contenders | map(pad(30)) | join("")),
  rows(if .contender == "aoe" or .ratio == null then "\(.per_s | figure)" else "\(.ratio | figure) (\(.ratio_min | figure)..\(.ratio_max | figure))" end),
  "  CPU time for each GiB: ratio to aoe, seconds of the whole guest (of the initiator's process, of the target's, of fio)",
  rows((if .contender == "aoe" or .cpu_ratio == null then "" else "\(.cpu_ratio): " end) + "\(.cpu_s_per_gib | figure) (\(.initiator_cpu_s_per_gib | figure), \(.target_cpu_s_per_gib | figure), \(.fio_cpu_s_per_gib | figure))"))
