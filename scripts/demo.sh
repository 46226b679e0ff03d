#!/usr/bin/env bash
# Shows Legato on real data: from published tables to an answering endpoint, then what re-runs after an edit.
# Rule: every command is printed before it runs, so that a reader can type it again in the folder demo/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
export PATH="$root/.venv/bin:$PATH"
unset GITHUB_ACTIONS GITLAB_CI JENKINS_URL CIRCLECI TF_BUILD # a demonstration is a person's, also where a CI service runs it

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
try() { printf '\n$ %s\n' "$*"; "$@"; }
git_here() { git -c user.name=demo -c user.email=demo@localhost -c init.defaultBranch=main "$@"; }

[ -t 1 ] || say() { printf '\n%s\n' "$*"; }

stop() {
	[ ! -d demo ] || (cd demo && legato serve --stop late-flights) >/dev/null 2>&1 || true
}

if [ "${1:-}" = stop ]; then
	stop
	exit 0
fi

stop
rm -rf demo
mkdir demo
cp examples/flights/*.py examples/flights/requests.csv demo/
cd demo
printf '.legato/\n__pycache__/\n' > .gitignore
git_here init --quiet
git_here add --all
git_here commit --quiet --message "Late flights"

say "1. From published tables to an endpoint: read, join, check, split, train, judge, serve."
try legato run

say "2. Ask it about six flights of a month that it has never seen."
try legato predict late-flights requests.csv

say "3. The same from any language: the Open Inference Protocol."
address=$(legato status | grep -o 'http://[^ ]*' | head -n 1)
request='{"inputs": [
  {"name": "carrier",    "shape": [1], "datatype": "BYTES", "data": ["EV"]},
  {"name": "origin",     "shape": [1], "datatype": "BYTES", "data": ["EWR"]},
  {"name": "dest",       "shape": [1], "datatype": "BYTES", "data": ["DAY"]},
  {"name": "departs",    "shape": [1], "datatype": "FP64", "data": [987]},
  {"name": "distance",   "shape": [1], "datatype": "FP64", "data": [533]},
  {"name": "weekday",    "shape": [1], "datatype": "FP64", "data": [5]},
  {"name": "temp",       "shape": [1], "datatype": "FP64", "data": [44.06]},
  {"name": "humid",      "shape": [1], "datatype": "FP64", "data": [88.9]},
  {"name": "wind_speed", "shape": [1], "datatype": "FP64", "data": [17.26]},
  {"name": "precip",     "shape": [1], "datatype": "FP64", "data": [0.0]},
  {"name": "pressure",   "shape": [1], "datatype": "FP64", "data": [1006.7]},
  {"name": "visib",      "shape": [1], "datatype": "FP64", "data": [8]}]}'
ask=(curl -sS -H 'Content-Type: application/json' "$address/v2/models/late-flights/infer" -d "$request")
printf "\n$ %s -H '%s' %s -d '%s'\n" "${ask[0]} ${ask[1]}" "${ask[3]}" "${ask[4]}" "$request"
if command -v curl >/dev/null; then
	"${ask[@]}" --fail-with-body
else # no curl on this machine: the same request from Python
	python - "${ask[4]}" "$request" <<-'END'
		import sys
		import urllib.request

		asked = urllib.request.Request(sys.argv[1], sys.argv[2].encode(), {"Content-Type": "application/json"})
		print(urllib.request.urlopen(asked).read().decode())
	END
fi
echo

say "4. Change a comment, and run again: nothing to do."
sed -i.before 's/^import polars as pl$/import polars as pl  # tables/' departures.py
rm departures.py.before
try git --no-pager diff --unified=0 departures.py
try legato run

say "5. Change a helper in another module: late is now 20 minutes. What would run, and why?"
sed -i.before 's/^LATE_MINUTES: Final = 15$/LATE_MINUTES: Final = 20/' departures.py
rm departures.py.before
try legato plan
try legato why departures
try legato run

say "It answers at $address until you stop it. Go on in the folder demo/:"
cat <<END
  cd demo && export PATH="$root/.venv/bin:\$PATH"
  legato run -p classifier.trees=100     another parameter
  legato models show late-flights        what was judged, and the evidence
  legato status                          where things stand
  legato serve --stop late-flights       stop the endpoint (or: make clean)
END
