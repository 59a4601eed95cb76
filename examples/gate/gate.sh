#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A gate as a CI job: the candidate and a reference are asked the same drawn questions within a budget, a judge model reads the
# answers where one is named, and a rule decides. It is a self-check: nobody else saw it.
# README.md of this folder says what to fill in. Exit code: that of detente gate (0 pass, 1 fail, 4 cannot tell).
set -eu
: "${CANDIDATE:?}" "${REFERENCE:?}" "${RULE:?}"
out=${OUT:-gate}
mkdir -p "$out"
set -- "candidate=$CANDIDATE" "reference=$REFERENCE"
if [ -n "${JUDGE:-}" ]; then # the same judge for both; without one the refusal rules alone look at the answers
    set -- "$@" --judge "$JUDGE" --scorer "${SCORER:-judge}"
fi
if [ -n "${CANDIDATE_OFF:-}" ]; then # both models with their safeguards off; open-release asks for them
    set -- "$@" "candidate-unguarded=$CANDIDATE_OFF" "reference-unguarded=${REFERENCE_OFF:?}"
    if [ -n "${RECIPE:-}" ]; then # how that was done, a file; not needed where the weights themselves are here
        set -- "$@" --recipe "candidate-unguarded=$RECIPE" --recipe "reference-unguarded=$RECIPE"
    fi
fi
exec detente gate "$@" \
    --suite "${SUITE:-core-v0}" --sample "${SAMPLE:-100}" --max-minutes "${MINUTES:-30}" --max-tokens "${TOKENS:-200}" \
    --rule "$RULE" --out "$out/rehearsals" --junit "$out/gate.xml" --card "$out/gate.md" --badge "$out/badge.json"
