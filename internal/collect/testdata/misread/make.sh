#!/usr/bin/env bash
# Makes the archives in this folder anew, with the program of the commit before the versions of readers.
set -euo pipefail
cd "$(git -C "$(dirname "$0")" rev-parse --show-toplevel)"
old=$(mktemp -d)
trap 'git worktree remove --force "$old/tree" 2>/dev/null || true; rm -rf "$old"' EXIT
git worktree add --detach "$old/tree" 628c520
(cd "$old/tree" && go build -o "$old/fitbit-fetch" ./cmd/fitbit-fetch)
go test ./internal/collect -run '^TestMisread$' -count=1 -v -args -old "$old/fitbit-fetch"
