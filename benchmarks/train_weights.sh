#!/bin/sh
# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Train the weights for CamVid from beginning to end, teacher and student. Both end with a report on
# val, in the folder evaluation of their runs:
#
#     sh benchmarks/train_weights.sh /datasets/camvid runs/camvid
#
# The steps are for a fast GPU: on an H100, a step of the teacher takes 0.05 s and one of the student 0.08 s, so both
# should take about eight minutes. To try it on a CPU:
#
#     TEACHER_STEPS=2 STUDENT_STEPS=2 FRAMES=8 sh benchmarks/train_weights.sh /datasets/camvid runs/try
#
# A run that was killed goes on when the same command is given again. Nothing is evaluated before the
# end, so that val does not influence the choice of weights.
set -eu

data=$1
runs=$2
python=${PYTHON:-python3}
teacher_steps=${TEACHER_STEPS:-2000}
student_steps=${STUDENT_STEPS:-4000}
frames=${FRAMES:-400}

train() { # NAME RECIPE STEPS [key=value ...]
    name=$1 recipe=$2 steps=$3
    shift 3
    [ -f "$runs/$name/weights.safetensors" ] ||
        "$python" -m bisenet_ros train "$recipe" "data=$data" "max_steps=$steps" \
            "evaluate_every=$steps" "train.3.dataset.frames=$frames" -o "$runs/$name" --resume "$@"
}

train teacher fpn_efficientnet_lite0_camvid "$teacher_steps"
train student bisenetv2_camvid_distilled "$student_steps" \
    "teacher.weights=$runs/teacher/weights.safetensors"
