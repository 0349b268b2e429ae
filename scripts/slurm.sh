#!/usr/bin/env bash
# A Slurm job whose tasks make the tiles of a prepared or interrupted sweep:
#
#     python -m gdexp +sweep=lr_grid run.prepare=true hydra.run.dir=results/mine
#     sbatch --ntasks=8 --cpus-per-task=4 scripts/slurm.sh results/mine
#     python -m gdexp resume results/mine
#
# Prepare it on a node of the kind that will make it: others are refused, as their bits may differ.
# With GPUs add --gpus-per-task=1. A task that is preempted (SIGTERM) keeps what it has stored:
# submit the job again. Not yet run on a cluster by us.
#SBATCH --job-name=gdexp
#SBATCH --output=gdexp-%j.log
#SBATCH --requeue
set -euo pipefail

folder=${1:?type sbatch scripts/slurm.sh DIR}
# a task that dies takes no other with it; what it has not made, the next job makes
exec srun --kill-on-bad-exit=0 \
  bash -c 'exec python -m gdexp work "$0" --shard "$SLURM_PROCID/$SLURM_NTASKS"' "$folder"
