# Sourced by the scripts that run one server for tests: a folder holds its objects, port, pid and log, so a
# later start is the same server with the same objects. They define `launch`, which starts the server and
# writes DIR/pid; `is_ours`, true for a command line of this folder's server; `fetch`; and `announce`, the
# line that `start` prints. What they need from here is `dispatch "$@"` and the names below.
start_seconds_max=30
stop_seconds_max=10

say() { echo "$(basename "$0"): $*" >&2; }
fail() { say "$*"; exit 1; }
# The indented lines of the comment at the head of the script that sources this.
usage() { sed -n '/^#   /s/^# \{0,1\}//p' "$0" >&2; exit 2; }

number() { [[ $2 =~ ^[1-9][0-9]*$ ]] || fail "$1 must be a whole number above 0, not '$2'"; }

# The pid alone may by now belong to a stranger, so the command line must be this folder's server.
running_pid() {
  local pid
  pid=$(cat "$dir/pid" 2>/dev/null) && [ -n "$pid" ] || return 1
  is_ours "$(ps -ww -o command= -p "$pid" 2>/dev/null)" && echo "$pid"
}

endpoint() { echo "http://127.0.0.1:$(cat "$dir/port")"; }

port_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Below the range from which the system takes ports for outgoing connections.
random_port() {
  local port
  while port=$((20000 + RANDOM % 12000)); do port_free "$port" && echo "$port" && return; done
}

wait_until_started() {
  local deadline=$((SECONDS + start_seconds_max)) pid
  pid=$(cat "$dir/pid")
  while port_free "$(cat "$dir/port")"; do
    kill -0 "$pid" 2>/dev/null || return 1
    [ $SECONDS -lt $deadline ] || { kill -KILL "$pid"; return 1; }
    sleep 0.05
  done
  # Whoever answers on the port must be ours.
  kill -0 "$pid" 2>/dev/null
}

# A server that a test started ends with that test, however the test ends.
watch_owner() {
  local pid
  pid=$(cat "$dir/pid")
  setsid nohup bash -c 'while kill -0 "$1" && kill -0 "$2"; do sleep 0.5; done; kill -0 "$1" || kill -KILL "$2"' \
    watch-owner "$1" "$pid" </dev/null >/dev/null 2>&1 9>&- &
}

start_new() {
  local owner=$1 attempt
  fetch
  for attempt in 1 2 3; do
    [ -f "$dir/port" ] && port_free "$(cat "$dir/port")" || random_port >"$dir/port"
    launch
    if wait_until_started; then
      [ -z "$owner" ] || watch_owner "$owner"
      return
    fi
    grep -qsi 'address already in use' "$dir/server.out" || break
    say "a port was taken meanwhile, trying another"
    rm -f "$dir/port"
  done
  tail -n 15 "$dir/server.out" >&2 || true
  rm -f "$dir/pid"
  fail "the server did not start; its log is $dir/server.out"
}

start() {
  local owner=''
  while [ $# -gt 0 ]; do
    case $1 in
      --owner) number "$1" "${2:-}"; owner=$2; shift 2 ;;
      *) usage ;;
    esac
  done
  mkdir -p "$dir"
  exec 9>"$dir/lock"
  flock 9
  running_pid >/dev/null || start_new "$owner"
  announce
}

wait_until_gone() {
  local deadline=$((SECONDS + $1))
  while running_pid >/dev/null; do
    [ $SECONDS -lt $deadline ] || return 1
    sleep 0.1
  done
  rm -f "$dir/pid"
}

stop() {
  local pid
  pid=$(running_pid) || { say "nothing runs in $dir"; return; }
  kill -TERM "$pid" 2>/dev/null || true
  wait_until_gone $stop_seconds_max && return
  say "no end after $stop_seconds_max s, killing $pid"
  crash
}

crash() {
  local pid
  pid=$(running_pid) || { say "nothing runs in $dir"; return; }
  kill -KILL "$pid" 2>/dev/null || true
  wait_until_gone 10 || fail "process $pid does not end"
}

status() {
  local pid
  if pid=$(running_pid); then
    echo "running pid=$pid endpoint=$(endpoint)"
  else
    echo "stopped"
    exit 3
  fi
}

# Runs a verb of the command line; one that is not known here is a function `on_VERB` of the script's.
dispatch() {
  local verb=${1:-}
  [ "$verb" != fetch ] || { fetch; echo "$server"; exit; }
  [ $# -ge 2 ] && [ -n "$2" ] || usage
  dir=$(realpath -m -- "$2")
  shift 2
  case $verb in
    start) start "$@" ;;
    stop) stop ;;
    kill) crash ;;
    status) status ;;
    *) declare -F "on_$verb" >/dev/null || usage; "on_$verb" "$@" ;;
  esac
}
