#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# One run on a Ray cluster that is there already: ray.sh DESK SUBJECT HOST:PORT WORKERS [GPUS-EACH]
# Given again after any stop it goes on; no node but this one needs the desk.
set -eu
exec detente run --ray "$3" --workers "$4" --gpus "${5:-0}" --concurrency "${CONCURRENCY:-64}" --subject "$2" --desk "$1"
