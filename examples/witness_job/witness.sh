#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Witness every log of an exchange that lies in a git repository, and push nothing but this witness's own folder.
#
# Wanted in the environment:
#   WITNESS_ID      its id in the plan (an observer's or a lab's)
#   WITNESS_HOME    the https address that it gave to detente init, or to its lab's desk
#   WITNESS_NAMES   its name, "en=Eye;zh-Hans=观察所"
#   WITNESS_KEY     its witness key, 64 hex digits: a secret of the job
#   PLAN            the plan id, got from the parties themselves and not from the exchange
#   EXCHANGE_URL    the repository of the exchange (not needed where the checkout is here already)
# May be set:
#   CHECKOUT        where the exchange lies or is cloned to (default: exchange)
#   DESK            where the desk with the witness's memory lies (default: desk); keep it between two runs if you can
#   BRANCH          the branch (default: the one that is checked out)
#
# Ends as detente witness does: 0 all is well, 3 a log contradicts itself (the proof is pushed all the same), 4 something
# is missing; and 5 if the push did not get through: then nothing of this round left, and the next round repeats it.
set -eu

: "${WITNESS_ID:?}" "${WITNESS_HOME:?}" "${WITNESS_NAMES:?}" "${WITNESS_KEY:?}" "${PLAN:?}"
CHECKOUT=${CHECKOUT:-exchange}
DESK=${DESK:-desk}

if [ ! -d "$CHECKOUT/.git" ]; then
    git clone --quiet "${EXCHANGE_URL:?}" "$CHECKOUT"
fi
BRANCH=${BRANCH:-$(git -C "$CHECKOUT" rev-parse --abbrev-ref HEAD)}

# No line end may be changed on the way: one byte more in a checkpoint and nothing verifies.
git -C "$CHECKOUT" config core.autocrlf false
git -C "$CHECKOUT" config user.name "$WITNESS_ID"
git -C "$CHECKOUT" config user.email "$WITNESS_ID@witness.invalid"

# Only fast forwards: if the branch was rewritten, somebody may have taken notes out, and a person has to look.
theirs="refs/remotes/origin/$BRANCH"
before=$(git -C "$CHECKOUT" rev-parse --quiet --verify "$theirs" || true)
git -C "$CHECKOUT" fetch --quiet origin "$BRANCH"
if [ -n "$before" ] && ! git -C "$CHECKOUT" merge-base --is-ancestor "$before" "$theirs"; then
    echo "the branch $BRANCH was rewritten since the last round; nothing was signed, a person has to look" >&2
    exit 6
fi
# What an earlier round could not push goes on top of what has come since.
on_top() {
    git -C "$CHECKOUT" rebase --quiet "$theirs" || { git -C "$CHECKOUT" rebase --abort; exit 5; }
}
on_top

# The key lies in a file of its own folder, readable by nobody else; detente init never writes over it.
umask 077
mkdir -p "$DESK/keys"
if [ ! -f "$DESK/keys/witness.key" ]; then
    printf '%s\n' "$WITNESS_KEY" > "$DESK/keys/witness.key"
fi
if [ ! -f "$DESK/desk.toml" ]; then
    set --
    rest="$WITNESS_NAMES;"
    while [ -n "$rest" ]; do
        set -- "$@" --name "${rest%%;*}"
        rest=${rest#*;}
    done
    detente init "$WITNESS_ID" --observer --desk "$DESK" --exchange "$CHECKOUT" --home "$WITNESS_HOME" "$@"
fi

told=0
detente witness --desk "$DESK" --plan "$PLAN" || told=$?

git -C "$CHECKOUT" add -- "$WITNESS_ID"
if ! git -C "$CHECKOUT" diff --cached --quiet; then
    git -C "$CHECKOUT" commit --quiet -m "$WITNESS_ID witnessed" -- "$WITNESS_ID"
fi
if [ -z "$(git -C "$CHECKOUT" rev-list "$theirs..HEAD")" ]; then
    exit "$told"
fi

# Others push at the same time, each its own folder: put ours on top of theirs and try again.
for try in 1 2 3 4 5; do
    if git -C "$CHECKOUT" push --quiet origin "HEAD:refs/heads/$BRANCH"; then
        exit "$told"
    fi
    sleep "$try"
    git -C "$CHECKOUT" fetch --quiet origin "$BRANCH"
    on_top
done
echo "the push did not get through; the next round repeats it" >&2
exit 5
