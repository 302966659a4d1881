#!/usr/bin/env bash
# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
#
# All figures of a machine with a CUDA GPU, torch >= 2.11 and nothing of ROS:
#
#     benchmarks/gpu.sh            every stage, one after another, each at most 8 minutes
#     benchmarks/gpu.sh numerics   only the stages named
#
# Results go to benchmarks/results/, or to $OUT. A stage that fails does not stop the others.

cd "$(dirname "$0")/.." || exit 1
PYTHON=${PYTHON:-python3}
LIMIT_S=480
failed=()

bench() { "$PYTHON" -m benchmarks.inference --device cuda --out "$@"; }
numerics() { "$PYTHON" -m benchmarks.numerics --device cuda --out "$@"; }

tests() { "$PYTHON" -m pytest -q -p no:cacheprovider tests/model/test_engine_cuda.py; }
# Float32 binds `reference` alone; every path of both precisions against it.
numerics_tiny() { numerics gpu_numerics_tiny --size tiny --paths eager,compiled,graph,compiled_graph; }
numerics_mid() { numerics gpu_numerics_mid --size mid --paths eager,graph,compiled_graph; }
numerics_full() { numerics gpu_numerics_full --size full --paths eager,graph --seeds 2; }
mid() { bench gpu_mid --size mid --precisions bf16 --paths model,eager,graph,compiled_graph; }
full() { bench gpu_full --size full --precisions bf16 --paths eager,graph --runs 100; }
full_compiled() { bench gpu_full_compiled --size full --precisions bf16 --paths graph,compiled_graph --runs 100; }
full_5_steps() { bench gpu_full_5 --size full --precisions bf16 --paths graph,compiled_graph --steps 5 --prompt 24; }
full_1_view() { bench gpu_full_1_view --size full --precisions bf16 --paths compiled_graph --views 1; }
full_2_views() { bench gpu_full_2_views --size full --precisions bf16 --paths compiled_graph --views 2; }
guided() { bench gpu_guided --size full --precisions bf16 --paths graph,compiled_graph --guidance full; }
guided_identity() {
  bench gpu_guided_identity --size full --precisions bf16 --paths graph,compiled_graph --guidance identity_jacobian
}
continued() { bench gpu_continued --size full --precisions bf16 --paths graph,compiled_graph --guidance trained; }

STAGES=(tests numerics_tiny numerics_mid mid full full_compiled full_5_steps full_1_view full_2_views
  guided guided_identity continued numerics_full)

"$PYTHON" - <<'CHECK' || exit 1
import sys, torch
found = tuple(int(part) for part in torch.__version__.split('+')[0].split('.')[:2])
if found < (2, 11) or not torch.cuda.is_available():
    sys.exit(f'gpu.sh: found torch {torch.__version__}, CUDA {torch.cuda.is_available()}; '
             'expected torch >= 2.11 and a CUDA GPU')
CHECK

export -f bench numerics "${STAGES[@]}"
export PYTHON
export TORCHINDUCTOR_CACHE_DIR=${TORCHINDUCTOR_CACHE_DIR:-$(mktemp -d)}

[ $# -gt 0 ] || set -- "${STAGES[@]}"
for stage in "$@"; do
  echo "== $stage, $(date -u +%FT%TZ)"
  timeout "$LIMIT_S" bash -c "$stage" || failed+=("$stage ($?)")
done
if [ -n "${OUT:-}" ]; then cp benchmarks/results/gpu_*.json "$OUT"/; fi
if [ ${#failed[@]} -gt 0 ]; then echo "gpu.sh: failed or timed out: ${failed[*]}"; exit 1; fi
