#!/usr/bin/env bash
# Migrates and rolls back over HTTP, and looks at both ends with AWS's own command line.
#
#   sidestep simulate ◀── HTTP ──┬── sidestep run, then rollback
#                                └── aws ecs | logs | servicediscovery | elbv2 …
#
# The simulator's clock and the run's go SPEED times faster. Environment, all optional:
#   SIDESTEP  the binary (default: the debug build)
#   AWS_CLI   the AWS CLI, version 2 (default: the one Debian installs, else the one in PATH)
#   SPEED     virtual seconds in a second (default 30); smaller is kinder to a busy machine
#   PYTHON_WITH_BOTOCORE  if set, all requests that were made are held against AWS's service models at the end
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
sidestep=${SIDESTEP:-${CARGO_TARGET_DIR:-$root/target}/debug/sidestep}
speed=${SPEED:-30}
aws_cli=${AWS_CLI:-}
if [[ -z $aws_cli ]]; then
  aws_cli=aws
  if [[ -x /usr/bin/aws ]]; then aws_cli=/usr/bin/aws; fi
fi
world=$root/runbooks/worlds/nexus-ai-staging.json
variables=$root/tests/worlds/nexus-ai-staging.tfvars

# The names that the convention gives to this world (see the tfvars).
cluster=nexus-ai-cluster-staging
api=nexus-ai-api-staging
jaeger=nexus-ai-jaeger-staging
namespace=nexus-ai.local
log_group=/ecs/$jaeger
target_group=nexus-ai-jaeger-tg-staging

# Nothing of the machine's own AWS settings counts here, and nothing can leave it.
for name in $(compgen -e | grep '^AWS_' || true); do unset "$name"; done
export AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE AWS_SECRET_ACCESS_KEY=not-a-secret
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true
export AWS_PAGER='' NO_PROXY=127.0.0.1 no_proxy=127.0.0.1 NO_COLOR=1
export SIDESTEP_TIME_SCALE=$speed

work=$(mktemp -d)
simulator=
# shellcheck disable=SC2329  # the trap calls it
finish() {
  local status=$?
  trap - EXIT INT TERM
  if [[ -n $simulator ]]; then
    kill "$simulator" 2>/dev/null || true
    wait "$simulator" 2>/dev/null || true
  fi
  if ((status != 0)); then
    for log in "$work"/*.err; do
      [[ -s $log ]] || continue
      echo "---- the end of ${log##*/}" >&2
      tail -n 40 "$log" >&2
    done
  fi
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# AWS's own command line, against the simulator.
aws() {
  "$aws_cli" --endpoint-url "$endpoint" --region "$region" --output json "$@"
}

# member FILE EXPRESSION: evaluates Python over the JSON in FILE, which is called `it`.
member() {
  python3 -c 'import json, sys; it = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$1" "$2"
}

# check WHAT EXPRESSION COMMAND…: runs the command and wants the expression over its JSON answer to be true.
check() {
  local what=$1 expression=$2
  shift 2
  "$@" >"$work/answer.json" 2>"$work/answer.err" || fail "$what: $* ended with $?"
  if [[ $(member "$work/answer.json" "bool($expression)") != True ]]; then
    cat "$work/answer.json" >&2
    fail "$what: this is not so: $expression"
  fi
  echo "  ok: $what"
}

# What the account looks like to those who type the commands: compared before the run and after the rollback.
picture() {
  aws ecs describe-services --cluster "$cluster" --services "$api" >"$work/services.json"
  aws ecs list-task-definitions --status ACTIVE >"$work/definitions.json"
  aws servicediscovery list-services --filters "Name=NAMESPACE_ID,Values=$namespace_id" >"$work/names.json"
  aws logs describe-log-groups >"$work/groups.json"
  aws elbv2 describe-target-health --target-group-arn "$target_group_arn" >"$work/targets.json"
  member "$work/services.json" '[(s["serviceName"], s["status"], s["taskDefinition"], s["desiredCount"], s["runningCount"],
    [d["status"] for d in s["deployments"]], s["loadBalancers"], s["serviceRegistries"], s["healthCheckGracePeriodSeconds"])
    for s in it["services"]]'
  member "$work/definitions.json" 'it["taskDefinitionArns"]'
  member "$work/names.json" 'sorted((s["Name"], s["Id"], s["InstanceCount"]) for s in it["Services"])'
  member "$work/groups.json" 'sorted(g["logGroupName"] for g in it["logGroups"])'
  member "$work/targets.json" 'sorted((t["Target"]["Port"], t["TargetHealth"]["State"]) for t in it["TargetHealthDescriptions"])'
}

# What changed anything so far, as the simulator counted it.
effects() {
  python3 - "$endpoint/_sim/ledger" <<'PYTHON'
import sys, urllib.request
print(len(urllib.request.urlopen(sys.argv[1]).read().splitlines()))
PYTHON
}

migrate() {
  "$sidestep" run --yes --state "$work/state" --endpoint-url "$endpoint" --var-file "$variables" \
    --var "jaeger_url=$endpoint/_sim/jaeger"
}

version=$("$aws_cli" --version 2>&1) || fail "no AWS CLI: install Debian's package awscli"
[[ $version == aws-cli/2.* ]] || fail "$aws_cli is $version: \`logs tail\` needs version 2"
[[ -x $sidestep ]] || fail "$sidestep is not built"

"$sidestep" simulate --world "$world" --listen 127.0.0.1:0 --speed "$speed" >"$work/simulator.json" 2>"$work/simulator.err" &
simulator=$!
for _ in $(seq 100); do
  [[ -s $work/simulator.json ]] && break
  kill -0 "$simulator" 2>/dev/null || fail "the simulator ended"
  sleep 0.1
done
[[ -s $work/simulator.json ]] || fail "the simulator gave no address within 10 s"
endpoint=http://$(member "$work/simulator.json" 'it["address"]')
region=$(member "$world" 'it["region"]')
export AWS_REGION=$region

aws servicediscovery list-namespaces >"$work/namespaces.json"
namespace_id=$(member "$work/namespaces.json" "[n['Id'] for n in it['Namespaces'] if n['Name'] == '$namespace'][0]")
aws elbv2 describe-target-groups --names "$target_group" >"$work/groups.json"
target_group_arn=$(member "$work/groups.json" 'it["TargetGroups"][0]["TargetGroupArn"]')
picture >"$work/before"

echo "run"
migrate >"$work/run.out" 2>"$work/run.err" || fail "the run ended with $?"
describe=(aws ecs describe-services --cluster "$cluster" --services)
check "the API runs a revision without the sidecar, in its own target group only" \
  'len(it["services"]) == 1 and it["services"][0]["runningCount"] == it["services"][0]["desiredCount"] == 2
   and [d["rolloutState"] for d in it["services"][0]["deployments"]] == ["COMPLETED"]
   and [b["containerName"] for b in it["services"][0]["loadBalancers"]] == ["api"]' \
  "${describe[@]}" "$api"
definition=$(member "$work/answer.json" 'it["services"][0]["taskDefinition"]')
check "that revision names the shared Jaeger and has no other container" \
  '[c["name"] for c in it["taskDefinition"]["containerDefinitions"]] == ["api"]
   and {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://jaeger.nexus-ai.local:4318"}
     in it["taskDefinition"]["containerDefinitions"][0]["environment"]' \
  aws ecs describe-task-definition --task-definition "$definition"
check "the Jaeger service is steady and has a name" \
  'it["services"][0]["status"] == "ACTIVE" and it["services"][0]["runningCount"] == 1
   and [d["rolloutState"] for d in it["services"][0]["deployments"]] == ["COMPLETED"]
   and len(it["services"][0]["serviceRegistries"]) == 1' \
  "${describe[@]}" "$jaeger"
check "it runs one task" 'len(it["taskArns"]) == 1' aws ecs list-tasks --cluster "$cluster" --service-name "$jaeger"
task=$(member "$work/answer.json" 'it["taskArns"][0]')
aws logs tail "$log_group" >"$work/tail" || fail "logs tail ended with $?"
grep -q "jaeger/jaeger/${task##*/}" "$work/tail" || fail "logs tail shows no line of task ${task##*/}"
echo "  ok: its logs can be read"
check "its name stands in the namespace, with an instance" \
  '[s["InstanceCount"] for s in it["Services"] if s["Name"] == "jaeger"] == [1]' \
  aws servicediscovery list-services --filters "Name=NAMESPACE_ID,Values=$namespace_id"
check "the target group holds its task alone, healthy" \
  '[(t["Target"]["Port"], t["TargetHealth"]["State"]) for t in it["TargetHealthDescriptions"]] == [(16686, "healthy")]' \
  aws elbv2 describe-target-health --target-group-arn "$target_group_arn"
check "no span was lost" 'it["total"]["sent"] > 0 and it["total"]["arrived"] == it["total"]["sent"]' \
  python3 -c 'import sys, urllib.request; sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1]).read())' "$endpoint/_sim/spans"

# The commands that the run printed, as an operator would copy them. `--follow` would never end.
sed -e ':join' -e '/\\$/N; s/\\\n *//; tjoin' "$work/run.out" | sed -n 's/^ *\(aws .*\)$/\1/p' | sed 's/ --follow//' >"$work/commands"
[[ $(wc -l <"$work/commands") -ge 5 ]] || fail "the run printed only $(wc -l <"$work/commands") commands"
while read -r command; do
  read -ra words <<<"$command"
  "$aws_cli" "${words[@]:1}" >"$work/answer.json" 2>"$work/answer.err" </dev/null || fail "this was printed and fails: $command"
done <"$work/commands"
echo "  ok: the $(wc -l <"$work/commands") commands that the run printed work as they stand"

changes=$(effects)
migrate >"$work/again.out" 2>"$work/again.err" || fail "a second run ended with $?"
[[ $(effects) == "$changes" ]] || fail "a second run changed something"
echo "  ok: a second run finds nothing to do"

echo "rollback"
"$sidestep" runs --output json --state "$work/state" >"$work/runs.json" 2>"$work/runs.err" || fail "runs ended with $?"
run=$(member "$work/runs.json" '[r["id"] for r in it["runs"] if r["status"] == "done"][-1]')
"$sidestep" rollback "$run" --yes --state "$work/state" --endpoint-url "$endpoint" >"$work/rollback.out" 2>"$work/rollback.err" ||
  fail "the rollback ended with $?"
picture >"$work/after"
diff -u "$work/before" "$work/after" || fail "the account does not look as before"
echo "  ok: revisions, load balancers, names, log groups and targets are as before"
check "no Jaeger service is left" \
  'all(s["status"] == "INACTIVE" for s in it["services"])' "${describe[@]}" "$jaeger"
if aws logs tail "$log_group" >"$work/answer.json" 2>"$work/answer.err"; then
  fail "the log group is still there"
fi
grep -q ResourceNotFoundException "$work/answer.err" || fail "logs tail failed for another reason"
echo "  ok: no log group is left"
check "of the revisions only inactive ones remain" \
  'len(it["taskDefinitionArns"]) == 3 and sum(f"/'"$jaeger"':" in arn for arn in it["taskDefinitionArns"]) == 1' \
  aws ecs list-task-definitions --status INACTIVE
if [[ -n ${PYTHON_WITH_BOTOCORE:-} ]]; then
  "$PYTHON_WITH_BOTOCORE" "$root/tests/aws_models/check.py" "$endpoint" --requests-only || fail "requests that AWS would not take"
fi
