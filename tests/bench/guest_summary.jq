# The samples of tests/bench/guest: a line for each target, MTU, loss, job and contender. Each ratio is of one round, to the
# kernel's aoe driver in the same round; the median, and the whole range, of all rounds of all boots are told. CPU time has a
# ratio, too: the guest cannot tell its own from what the host takes away.
def median: sort | if length == 0 then null elif length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
def hundredth: if . == null then null else . * 100 | round / 100 end;
(map(select(.kind == "boot")) | last) as $machine
| map(select(.kind == "sample"))
| def turn: "\(.boot) \(.target) \(.mtu_bytes) \(.loss_percent) \(.round) \(.job)";
(map(select(.contender == "aoe") | {key: turn, value: .}) | from_entries) as $aoe
| to_entries | group_by([.value.target, .value.mtu_bytes, .value.loss_percent, .value.job, .value.contender])
# in the order in which they were measured
| sort_by(.[0].key) | map(map(.value))[]
| . as $samples | .[0]
# Without an answer it was less than one request in ten seconds.
| ($samples | map($aoe[turn] as $base | select($base != null) | .per_s / ([$base.per_s, 0.1] | max))) as $ratios
| ($samples | map($aoe[turn] as $base | select($base.cpu_s_per_gib > 0) | .cpu_s_per_gib / $base.cpu_s_per_gib)) as $cpu_ratios
| {kind: "guest", date: $machine.date, processor: $machine.processor, kernel: $machine.kernel,
   target, mtu_bytes, loss_percent, job, contender,
   boots: ($samples | map(.boot) | unique | length), rounds: ($samples | length),
   per_s: ($samples | map(.per_s) | median | hundredth),
   ratio: ($ratios | median | hundredth), ratio_min: ($ratios | min | hundredth), ratio_max: ($ratios | max | hundredth),
   longest_ms: ($samples | map(.longest_ms) | max),
   cpu_ratio: ($cpu_ratios | median | hundredth),
   cpu_s_per_gib: ($samples | map(.cpu_s_per_gib) | median | hundredth),
   initiator_cpu_s_per_gib: ($samples | map(.initiator_cpu_s_per_gib) | median | hundredth),
   target_cpu_s_per_gib: ($samples | map(.target_cpu_s_per_gib) | median | hundredth),
   fio_cpu_s_per_gib: ($samples | map(.fio_cpu_s_per_gib) | median | hundredth)}
| tojson
