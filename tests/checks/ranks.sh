#!/usr/bin/env bash
# A real job of four ranks under mpirun: into one file that all of them share, and into one each.
#
#     tests/checks/ranks.sh ACT
#
# ACT is tests/story/act. Each line must be whole and carry the rank of the process that wrote it.
# The environment has SLURM_PROCID=0 besides, as in a job script of Slurm. Ends with 77 where
# there is no mpirun of Open MPI.
set -u
act=$1
case $(mpirun --version 2>/dev/null) in
*'Open MPI'*) ;;
*) echo "reason: there is no mpirun of Open MPI"; exit 77 ;;
esac
. "${0%/*}/begin.sh"
fail() {
    echo "ranks: $*"
    exit 1
}

# run LOG: ranks 0 to 3, each with 100 heartbeats a second
run() {
    SLURM_PROCID=0 HEARTLINE_LOG=$1 HEARTLINE_INTERVAL=10ms \
        timeout -k 5 60 mpirun --allow-run-as-root --oversubscribe -n 4 \
        "$act" start push work sleep 1000 pop stop >"$work/words" 2>&1 ||
        fail "mpirun ended with $?: $(cat "$work/words")"
}

# judge FILE...: whole lines with one rank a process, four of these, each with a start and a stop
judge() {
    awk '
        !/^[0-9T:.-]+Z \[heartline [0-9]+\] [A-Za-z]+ tag=rank:[0-3]( [^][]*)?$/ {
            print FILENAME ": line " FNR ": " $0
            bad = 1
            next
        }
        {
            rank = substr($5, 10)
            if ($3 in rank_of && rank_of[$3] != rank) {
                print "two ranks in one process: " $0
                bad = 1
            }
            rank_of[$3] = rank
            lines[rank, $4]++
        }
        END {
            for (rank = 0; rank < 4; rank++) {
                if (lines[rank, "start"] != 1 || lines[rank, "stop"] != 1 || lines[rank, "beat"] < 5) {
                    printf "rank %d: %d starts, %d heartbeats, %d stops\n", rank, \
                        lines[rank, "start"], lines[rank, "beat"], lines[rank, "stop"]
                    bad = 1
                }
            }
            exit bad
        }' "$@" || fail "$# files"
}

run "$work/shared"
judge "$work/shared"
echo "one file: $(wc -l <"$work/shared") lines, all whole, each with its rank"

run "$work/own-%h-%p"
own=("$work/own-$(uname -n)-"*)
[ ${#own[@]} -eq 4 ] && [ -f "${own[0]}" ] || fail "not 4 files: $(ls "$work")"
for file in "${own[@]}"; do
    [ "$(grep -c '] start ' "$file")" -eq 1 ] || fail "$file is not of one process"
done
judge "${own[@]}"
echo "four files: $(cat "${own[@]}" | wc -l) lines, likewise"
