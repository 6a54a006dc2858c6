#!/usr/bin/env bash
# Loads the completions in the shells themselves and asks them what they would offer, and has mandoc read the manual pages.
# Wants SIDESTEP (the binary), bash, zsh, fish and mandoc.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

sidestep=${SIDESTEP:?the path of the binary}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME=$work XDG_CONFIG_HOME=$work XDG_DATA_HOME=$work TERM=dumb
mkdir "$work/bin" "$work/desk"
ln -s "$(realpath "$sidestep")" "$work/bin/sidestep"
export PATH=$work/bin:$PATH
touch "$work/desk/terraform.tfvars"
for shell in bash zsh fish; do "$sidestep" completions "$shell" >"$work/sidestep.$shell"; done
bash=$(command -v bash) zsh=$(command -v zsh) fish=$(command -v fish) mandoc=$(command -v mandoc)

# Each takes a command line and prints what the shell would put in its last word's place, a line each.
in_bash() {
  # shellcheck disable=SC2016  # the inner shell expands it
  "$bash" --norc -c '
    source "$1"
    read -r -a COMP_WORDS <<<"$2"
    [[ $2 != *" " ]] || COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$2 COMP_POINT=${#2}
    compopt() { :; } # it works only while bash itself completes
    function=$(complete -p sidestep | sed "s/.*-F \([^ ]*\).*/\1/")
    "$function" sidestep "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    printf "%s\n" "${COMPREPLY[@]}"' - "$work/sidestep.bash" "$1"
}

in_zsh() { "$zsh" -f "$here/complete.zsh" "$work/sidestep.zsh" "$1"; }

in_fish() {
  # shellcheck disable=SC2016  # the inner shell expands it
  "$fish" --no-config -c 'source $argv[1]; complete -C $argv[2]' "$work/sidestep.fish" "$1" | cut -f 1
}

failures=0
# expect LINE WORD…: every shell offers exactly these words, in any order.
expect() {
  local line=$1 shell got wanted
  shift
  wanted=$(printf '%s\n' "$@" | sort)
  for shell in bash zsh fish; do
    got=$(cd "$work/desk" && "in_$shell" "$line" | sed 's/[[:space:]]*$//' | sort -u)
    if [[ $got != "$wanted" ]]; then
      # shellcheck disable=SC2016  # the backticks are part of the text
      printf '%s completes `%s` with\n%s\nnot with\n%s\n' "$shell" "$line" "$got" "$wanted" >&2
      failures=$((failures + 1))
    fi
  done
}

expect 'sidestep ab' abandon
expect 'sidestep s' status snapshot simulate
expect 'sidestep rehearse --faults ' none crashes all
expect 'sidestep status --output j' json
expect 'sidestep rollback --onto' --onto-newest
expect 'sidestep plan --var-file terra' terraform.tfvars
expect 'sidestep completions z' zsh
expect 'sidestep status terra'

"$sidestep" man --out "$work/man" 2>/dev/null
"$mandoc" -T lint -W warning "$work"/man/*.1 || failures=$((failures + 1))
# The page on stdout is the one in the directory.
"$sidestep" man | cmp - "$work/man/sidestep.1" || failures=$((failures + 1))
pages=("$work"/man/*.1)
((failures == 0)) || { echo "$failures of the shells' answers are not as they should be" >&2; exit 1; }
echo "completions in bash, zsh and fish are as they should be; ${#pages[@]} manual pages without a warning"
