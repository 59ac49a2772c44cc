# shellcheck shell=bash
# Part n of tests/bench/run, which sources this: fio through an NBD socket of uaoe, with a target behind it, and of nbdkit,
# with nothing but its own memory.

cpu_ticks() { # PID: of all its threads so far, user and system
    awk '{print $14 + $15}' "/proc/$1/stat"
}

# Into ops, operations a second, and cpu, CPU seconds per GiB of fio and of the PIDs.
fio_through() { # URI RW KIBIBYTES DEPTH PID...
    local uri=$1 rw=$2 kib=$3 depth=$4 pid before=0 after=0 output
    shift 4
    for pid in "$@"; do before=$((before + $(cpu_ticks "$pid"))); done
    output=$(fio --name=j --ioengine=nbd --uri="$uri" --rw="$rw" --bs="${kib}k" --iodepth="$depth" --thread=1 --time_based \
        --runtime="$seconds" --output-format=json 2>fio.log | sed -n '/^{/,$p')
    for pid in "$@"; do after=$((after + $(cpu_ticks "$pid"))); done
    ops=$(jq '.jobs[0] | .read.iops + .write.iops' <<<"$output")
    cpu=$(jq --argjson ticks $((after - before)) --argjson per_s "$(getconf CLK_TCK)" '.jobs[0] |
        ((.usr_cpu + .sys_cpu) / 100 * .job_runtime / 1000 + $ticks / $per_s) /
        ((.read.io_bytes + .write.io_bytes) / pow(2; 30))' <<<"$output")
}

nbd_row() { # NAME RW KIBIBYTES DEPTH
    local ops cpu ours ours_cpu
    next_row "$1"
    rm -f sample.*
    for round in $(seq "$rounds"); do
        next_round "$round"
        fio_through "$uri" "$2" "$3" "$4" "$serve_pid" "$target_pid"
        ours=$ops ours_cpu=$cpu
        fio_through "$nbdkit_uri" "$2" "$3" "$4" "$nbdkit_pid"
        echo "$ours" >>sample.uaoe
        echo "$ops" >>sample.nbdkit
        echo "$ours_cpu" >>sample.uaoe_cpu
        echo "$cpu" >>sample.nbdkit_cpu
        divide "$ours" "$ops" >>sample.ratio
        divide "$ours_cpu" "$cpu" >>sample.cpu_ratio
    done
    row_done
    printf '%-24s | %9.0f %9.0f | %6s %-12s | %7.2f %7.2f | %6s\n' "$1" "$(median sample.nbdkit)" "$(median sample.uaoe)" \
        "$(median sample.ratio)" "($(spread sample.ratio))" "$(median sample.nbdkit_cpu)" "$(median sample.uaoe_cpu)" \
        "$(median sample.cpu_ratio)"
    jq -cn --arg job "$1" --argjson nbdkit "$(median sample.nbdkit)" --argjson uaoe "$(median sample.uaoe)" \
        --argjson ratio "$(median sample.ratio)" --argjson cpu_ratio "$(median sample.cpu_ratio)" \
        '{kind: "nbd_to_nbdkit", $job, nbdkit_per_s: $nbdkit, uaoe_per_s: $uaoe, $ratio, $cpu_ratio}' >>"$json"
}

run_part_n() {
    begin_part n 7
    echo "(n) fio through uaoe's NBD export, with the model target behind it, MTU 9000, against nbdkit's memory, over unix sockets."
    echo "    Everything on two cores, as the scheduler likes. Operations a second; CPU seconds per GiB, of fio and all behind it."
    printf '%-24s | %9s %9s | %6s %-12s | %7s %7s | %6s\n' job nbdkit uaoe ratio spread "CPU" "CPU" ratio
    set_mtu 9000
    start_model -i t0 --luns 1 --ram 128M
    target_pid=$background_pid
    start_serve 1.0 -i i0
    in_background nbdkit nbdkit --foreground --unix "$work/nbdkit.sock" memory 128M
    nbdkit_pid=$background_pid nbdkit_uri="nbd+unix:///?socket=$work/nbdkit.sock"
    wait_until 10 test -S "$work/nbdkit.sock" || fail "nbdkit did not start: $(cat nbdkit.log)"
    nbd_row "4 KiB randread, qd 1" randread 4 1
    nbd_row "4 KiB randread, qd 32" randread 4 32
    nbd_row "4 KiB randwrite, qd 32" randwrite 4 32
    nbd_row "64 KiB read, qd 8" read 64 8
    nbd_row "64 KiB write, qd 8" write 64 8
    nbd_row "1 MiB read, qd 4" read 1024 4
    nbd_row "1 MiB write, qd 4" write 1024 4
    for pid in "$serve_pid" "$target_pid" "$nbdkit_pid"; do end_background "$pid"; done
}
