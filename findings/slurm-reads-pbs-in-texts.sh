#!/bin/sh
# sbatch of Slurm obeys lines that begin with #PBS or #BSUB anywhere in a script, even in a here-document.
#
# One would expect what holds for #SBATCH: it is read up to the first command, so that no text in a script can be an option.
# But if a script has a line for PBS or LSF, wherever that is, it changes the name, the time limit, the files and the number of
# CPUs, although #SBATCH has set them, and with "#PBS -J 0-9" the job becomes an array. Who writes scripts that contain texts of
# others, such as lists of files, needs "#SBATCH --ignore-pbs" (the last line).
#
# Seen with Slurm 22.05.8. Needs root, and Debian's slurmctld, slurm-client and munge. Uses the port 41090 of loopback. Exits 1
# if the behaviour has changed.
set -eu
dir=$(mktemp -d)
pids=
trap 'kill $pids; wait; rm -rf "$dir"' EXIT
cd "$dir"
mkdir state
head -c 128 /dev/urandom >munge.key
chmod 600 munge.key
munged --foreground --force --key-file="$dir/munge.key" --socket="$dir/munge.socket" --pid-file="$dir/munge.pid" \
	--log-file="$dir/munge.log" --seed-file="$dir/munge.seed" >munged.log 2>&1 &
pids="$pids $!"
cat >slurm.conf <<CONF
ClusterName=test
SlurmctldHost=$(hostname)(127.0.0.1)
SlurmctldPort=41090
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
StateSaveLocation=$dir/state
SlurmctldPidFile=$dir/slurmctld.pid
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
NodeName=none NodeAddr=127.0.0.1 CPUs=16
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE
CONF
export SLURM_CONF="$dir/slurm.conf"
tries=0
until [ -e munge.socket ]; do
	tries=$((tries + 1))
	[ $tries -lt 100 ] || { cat munged.log; exit 2; }
	sleep 0.2
done
slurmctld -D -c -f "$SLURM_CONF" >slurmctld.log 2>&1 &
pids="$pids $!"
tries=0
until scontrol ping >ping 2>&1 && grep -q 'is UP' ping; do
	tries=$((tries + 1))
	[ $tries -lt 100 ] || { cat slurmctld.log; exit 2; }
	sleep 0.2
done

# submit LINE [OPTION...]: submits a job with a text that has the line, and prints what Slurm makes of it.
submit() {
	line=$1
	shift
	job=$(sbatch --parsable --hold "$@" <<-JOB
		#!/bin/sh
		#SBATCH --job-name=good
		#SBATCH --time=4:00:00
		#SBATCH --ntasks=1
		true
		cat <<END
		$line
		END
	JOB
	)
	scontrol show job "$job" >job
	printf '%s:' "$line"
	for field in JobName TimeLimit NumCPUs ArrayTaskId; do
		printf ' %s' "$(sed -n "s/.*\b$field=\([^ ]*\).*/\1/p" job)"
	done
	echo
}
{
	submit '#SBATCH --job-name=evil'
	submit '#PBS -N evil'
	submit '#PBS -J 0-9'
	submit '#PBS -l walltime=1:00'
	submit '#BSUB -J evil'
	submit '#BSUB -n 16'
	submit '#PBS -J 0-9' --ignore-pbs
} | sed 's/ *$//' >out
cat out
cat >want <<'WANT'
#SBATCH --job-name=evil: good 04:00:00 1
#PBS -N evil: evil 04:00:00 1
#PBS -J 0-9: good 04:00:00 1 0-9
#PBS -l walltime=1:00: good 00:01:00 1
#BSUB -J evil: evil 04:00:00 1
#BSUB -n 16: good 04:00:00 16
#PBS -J 0-9: good 04:00:00 1
WANT
cmp want out
