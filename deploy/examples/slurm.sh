#!/bin/bash
#SBATCH --ignore-pbs
#SBATCH --job-name=jpeg-to-ppm
#SBATCH --array=0-147%16
#SBATCH --output=jpeg-to-ppm-%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --time=2:00:00
#SBATCH --signal=B:TERM@60
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G

# Written by shardfs slurm. Task t does shard t of 148.
# What is published is skipped, so that any task may be started again at any time.

if [ -z "${SLURM_ARRAY_TASK_ID-}" ]; then
	echo 'error: not a task of an array: submit this script by sbatch, and not with an empty --array=' >&2
	exit 64
fi
task=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID

# Slurm warns only this shell of the time limit (B:).
trap '[ -n "$!" ] || exit 143; kill -TERM $! 2>/dev/null' TERM

shardfs run --task="$SLURM_ARRAY_TASK_ID" --stride=148 \
	'--command=gm convert sample.jpg sample.ppm; rm sample.jpg' \
	--jobs=4 \
	'--output=ppm/{name}.tgz' \
	'train-{0000..0147}.tgz' &

# A trap ends wait, but not the task.
while [ -n "$(jobs -r)" ]; do wait $!; done
wait $!
status=$?

# Slurm starts no task again that fails. These failures may pass.
case $status in
0) exit 0 ;;
69 | 74 | 75)
	if [ "${SLURM_RESTART_COUNT:-0}" -lt 3 ]; then
		echo "task $task: exit status $status; it is started again" >&2
		scontrol requeue "$task"
		exit $status
	fi
	;;
esac
echo "task $task: exit status $status; scontrol requeue $task starts it again" >&2
exit $status
