# zsh -f complete.zsh SCRIPT LINE: what zsh's own completion would offer for the line, a word each line.
#
# Completion works only in an interactive shell, so one is driven over a pseudo terminal; in it a widget replaces `compadd`, which
# every completion function ends in, by one that prints what would be added between marks.
zmodload zsh/zpty
zpty inner zsh -f -i
send() { zpty -w inner "$1" }
until_seen() {
  local text='' part
  while zpty -r inner part; do
    text+=$part
    [[ $text == *$1* ]] && break
  done
  REPLY=$text
}
script=$1
cat >${TMPDIR:-/tmp}/inner.$$ <<'INNER'
PROMPT= PS2= RPROMPT=
setopt no_beep
autoload -Uz compinit
compinit -D -u
INNER
cat >>${TMPDIR:-/tmp}/inner.$$ <<INNER
source ${(q)script}
INNER
cat >>${TMPDIR:-/tmp}/inner.$$ <<'INNER'
compadd() {
  # Asked for nothing but to fill an array, it is left to do so.
  if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return $?; fi
  typeset -a __hits
  builtin compadd -A __hits "$@"
  [[ -n $__hits ]] && print -rl -- "offer:"${^__hits}
  builtin compadd "$@"
}
listed() { compstate[insert]= compstate[list]= }
comppostfuncs=(listed)
finish() { print -r -- END''OFFERS }
zle -N finish
bindkey '^I' complete-word
bindkey '^X' finish
print READY''NOW
INNER
send "source ${TMPDIR:-/tmp}/inner.$$"
until_seen READYNOW
zpty -w -n inner "$2"$'\t'$'\x18'
until_seen ENDOFFERS
rm -f ${TMPDIR:-/tmp}/inner.$$
print -r -- "$REPLY" | tr -d '\r' | sed -n 's/.*offer://p'
zpty -d inner
