#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# One run at two sites: half is asked where the desk is, half where it is not. two_sites.sh DESK SUBJECT AWAY
# AWAY stands for the other site: a folder here, another machine in earnest (see `there`).
set -eu
desk=$1 subject=$2 away=$3
there() { (cd "$away" && "$@"); } # in earnest: there() { ssh other-site "cd detente && $*"; }

mkdir -p "$away"
detente run --shard 1/2 --task "$away/1-of-2.task" --subject "$subject" --desk "$desk" # in earnest: then scp
there detente shard 1-of-2.task --out 1-of-2
detente run --shard 0/2 --subject "$subject" --desk "$desk"
detente join "$away/1-of-2" --desk "$desk"
detente run --subject "$subject" --desk "$desk" # nothing is asked any more: the answers are fixed
