# Two files that guest_rounds.sh's snapshot wrote, before and after a job: what was spent meanwhile, as one line of JSON.
{ sign = seen[$1]++ ? 1 : -1 }
$1 == "uptime" { all += sign * $2 * 100 * processors }
$1 == "cpu" { all -= sign * ($5 + $6) } # idle, and waiting for I/O
$1 == "disk" { sectors += sign * ($4 + $8) }
$1 ~ /^(initiator|target|fio)$/ && NF > 15 { spent[$1] += sign * ($15 + $16) }
function per_gib(ticks) { return sectors > 0 ? ticks / 100 / (sectors / 2097152) : 0 }
END {
    printf "{\"kind\":\"sample\",%s,\"per_s\":%s,\"longest_ms\":%s,\"cpu_s_per_gib\":%.3f,", context, rate, longest, per_gib(all)
    printf "\"initiator_cpu_s_per_gib\":%.3f,\"target_cpu_s_per_gib\":%.3f,", per_gib(spent["initiator"]), per_gib(spent["target"])
    printf "\"fio_cpu_s_per_gib\":%.3f}\n", per_gib(spent["fio"])
}
