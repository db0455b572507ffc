# What the scripts of every server share. Sourced by `SERVER/up` and `SERVER/down`, and by
# `tests/pages/run` for a browser; by nothing else.
#
# Mail servers shut one another out as Debian packages, so each runs in its own copy of a file system: an
# overlay over `/`, or over a Debian of its own (`find_base`), that only the processes of that server see (its
# own mount and process namespaces; the network is the machine's). Nothing is installed on the machine. Needs root.
#
#   $EHLO_INTEROP_DIR            one run; made by `up` when it is not set
#     tls/                       ca.pem, cert.pem, key.pem: one CA and one certificate for all servers;
#                                client.pem, client-key.pem: a certificate of alice's
#     NAME.env                   what a client has to know: ports, ca.pem, log; to be sourced
#     NAME/                      files/ is /interop inside the server's file system
#   $EHLO_INTEROP_CACHE          the installed packages, kept between runs
#   $EHLO_INTEROP_BASE           what the overlays are over: `/`, or `bookworm`

set -euo pipefail
umask 022

# Raise it when `install_script` changes: it is a part of a layer's name.
LAYER_VERSION=1

USER_NAME=alice
PASSWORD=wonderland
REALM=example.test
MESSAGE_LIMIT=10485760
# Where a server has a port for mails beyond that.
LARGE_LIMIT=67108864

die() {
  printf '%s\n' "interop: $*" >&2
  exit 1
}

# begin NAME: the server whose script this is. Everything below works on it.
begin() {
  NAME=$1
  [ "$(uname -s)" = Linux ] || die "Linux is needed (mount namespaces)"
  [ "$(id -u)" = 0 ] || die "root is needed (mount namespaces, packages); run it with sudo -E"
  if [ -z "${EHLO_INTEROP_DIR:-}" ]; then
    EHLO_INTEROP_DIR=$(mktemp -d "${TMPDIR:-/tmp}/ehlo-interop.XXXXXX")
    export EHLO_INTEROP_DIR
    printf 'export EHLO_INTEROP_DIR=%q\n' "$EHLO_INTEROP_DIR"
  fi
  [ -d "$EHLO_INTEROP_DIR" ] || die "EHLO_INTEROP_DIR is not a folder: $EHLO_INTEROP_DIR"
  HOME_DIR=$EHLO_INTEROP_DIR/$NAME
  FILES=$HOME_DIR/files
  ENV_FILE=$EHLO_INTEROP_DIR/$NAME.env
  [ ! -e "$HOME_DIR" ] || die "$NAME has been started in $EHLO_INTEROP_DIR already; run its down first"
  trap up_failed EXIT
}

up_failed() {
  trap - EXIT
  printf 'interop: %s did not come up\n' "$NAME" >&2
  for log in "$FILES"/*log; do
    [ ! -s "$log" ] || tail -n 40 "$log" >&2
  done
  stop_server
  exit 1
}

# make_root PACKAGES…: the file system of the server, with these packages in it. The packages are
# installed once; servers with the same packages share the layer. What is not a package of this machine's
# Debian is had by the lines in INSTALL_MORE, which run behind the packages.
make_root() {
  local cache=${EHLO_INTEROP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ehlo-interop}
  mkdir -p "$cache"
  local key
  find_base "$cache"
  key=$({ printf '%s\n' "$LAYER_VERSION" "$@" ${INSTALL_MORE:+"$INSTALL_MORE"}; base_release; dpkg --print-architecture 2>/dev/null || uname -m; } | sha256sum)
  LAYER=$cache/${key:0:16}
  if [ ! -d "$LAYER" ]; then
    {
      flock 9 # two servers of one run, or two runs, may ask for one layer
      [ -d "$BASE" ] || make_base "$cache"
      [ -d "$LAYER" ] || install_layer "$cache" "$@"
    } 9>"$cache/lock"
  fi
  mkdir -p "$FILES"
  printf '%s\n' "$BASE" >"$HOME_DIR/base"
  # A copy, because a layer inside `/` cannot be a second lower layer over `/`. Some 30 MiB.
  cp -a "$LAYER" "$HOME_DIR/upper"
  mkdir -p "$HOME_DIR/upper/etc"
  # No server may wait for a DNS that a test machine does not have.
  : >"$HOME_DIR/upper/etc/resolv.conf"
  printf 'passwd: files\ngroup: files\nshadow: files\nhosts: files\nservices: files\n' \
    >"$HOME_DIR/upper/etc/nsswitch.conf"
  printf '127.0.0.1 localhost mail.%s\n' "$REALM" >"$HOME_DIR/upper/etc/hosts"
}

# find_base CACHE: sets BASE to what the overlays are over. What servers say, and how they are told what to do, is that
# of Debian 12: the machine's own files where it is one, and else a Debian 12 in the cache.
find_base() {
  local machine
  machine=$(. /etc/os-release && printf '%s' "${ID:-} ${VERSION_CODENAME:-}")
  case ${EHLO_INTEROP_BASE:-$machine} in
    / | 'debian bookworm') BASE=/ ;;
    *) BASE=$1/bookworm ;;
  esac
}

# What of that a layer's name depends on.
base_release() {
  case $BASE in
    /) cat /etc/os-release ;;
    *) printf 'bookworm
' ;;
  esac
}

# make_base CACHE: that Debian 12, by the machine's debootstrap or, where it has none, by one that is installed where
# nobody else sees it.
make_base() {
  printf 'interop: installing once a Debian 12 to run the servers in\n' >&2
  local making
  making=$(mktemp -d "$1/making.XXXXXX")
  mkdir -p "$making/files" "$making/upper/etc"
  cat /etc/resolv.conf >"$making/upper/etc/resolv.conf"
  printf '%s\n' "$BASE_SCRIPT" >"$making/files/install"
  if ! in_namespace "$making" sh /interop/install >"$making/log" 2>&1 </dev/null; then
    tail -n 40 "$making/log" >&2
    rm -rf "$making"
    die "cannot make a Debian 12 (debootstrap)"
  fi
  mv "$making/files/bookworm" "$BASE"
  rm -rf "$making"
}

# Whom the machine trusts, a proxy of its own as well, is trusted in there.
BASE_SCRIPT='
set -e
export DEBIAN_FRONTEND=noninteractive
command -v debootstrap >/dev/null || { apt-get update && apt-get install -y --no-install-recommends debootstrap; }
# Its keys, where the machine is no Debian.
[ -r /usr/share/keyrings/debian-archive-keyring.gpg ] || apt-get install -y debian-archive-keyring
mirror=http://deb.debian.org/debian
root=/interop/bookworm
debootstrap --variant=minbase --include=ca-certificates bookworm "$root" "$mirror"
cat >"$root/etc/apt/sources.list" <<END
deb $mirror bookworm main
deb $mirror bookworm-updates main
deb http://deb.debian.org/debian-security bookworm-security main
END
for certificates in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do
  [ ! -r "$certificates" ] || { cat "$certificates" >"$root/etc/ssl/certs/ca-certificates.crt"; break; }
done
chroot "$root" apt-get update
chroot "$root" apt-get clean
'

install_layer() {
  local cache=$1
  shift
  printf 'interop: installing once what %s needs\n' "$NAME" >&2
  local making
  making=$(mktemp -d "$cache/making.XXXXXX")
  mkdir -p "$making/files" "$making/upper/etc" "$making/upper/usr/sbin"
  printf '%s\n' "$BASE" >"$making/base"
  cat /etc/resolv.conf >"$making/upper/etc/resolv.conf"
  # Packages start their services when they are installed; 101 tells them not to.
  printf '#!/bin/sh\nexit 101\n' >"$making/upper/usr/sbin/policy-rc.d"
  chmod 755 "$making/upper/usr/sbin/policy-rc.d"
  printf '%s\n' "$INSTALL_SCRIPT" "${INSTALL_MORE:-}" >"$making/files/install"
  if ! in_namespace "$making" sh /interop/install openssl "$@" >"$making/log" 2>&1 </dev/null; then
    tail -n 40 "$making/log" >&2
    rm -rf "$making"
    die "cannot install $*"
  fi
  rm -rf "$making/upper/var/lib/apt/lists" "$making/upper/var/cache"
  mv "$making/upper" "$LAYER"
  rm -rf "$making"
}

# The lists are brought up to date only where the machine's own do not do: none on a fresh machine,
# or too old ones, which name files that the mirror no longer has.
INSTALL_SCRIPT='
set -e
export DEBIAN_FRONTEND=noninteractive
echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
get() {
  apt-get install -y --no-install-recommends \
    -o Dpkg::Options::=--force-unsafe-io -o Dpkg::Options::=--force-confold \
    -o Dpkg::Options::="--path-exclude=/usr/share/man/*" -o Dpkg::Options::="--path-exclude=/usr/share/doc/*" "$@"
}
get "$@" || { apt-get update && get "$@"; }
'

# For INSTALL_MORE: what is got behind it is of Debian's next release, over the machine's own source of packages.
NEXT_RELEASE='
. /etc/os-release
if [ "$VERSION_CODENAME" = bookworm ]; then
  for sources in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources; do
    next=/etc/apt/sources.list.d/next.${sources##*.}
    [ ! -s "$sources" ] || sed s/bookworm/trixie/g "$sources" >"$next"
  done
  apt-get update
fi
'

# in_namespace HOME COMMAND…: runs COMMAND as the first process of its own namespaces, its root the
# overlay of HOME/upper over the folder that HOME/base names. When this process ends, so does everything started in there,
# and the mounts with it.
in_namespace() {
  local home=$1
  shift
  mkdir -p "$home/upper" "$home/work" "$home/root"
  local base=/
  [ ! -r "$home/base" ] || base=$(<"$home/base")
  exec_or_run unshare --mount --pid --fork --kill-child bash -c "$ENTER" enter "$home" "$base" "$@"
}

# In a background job the shell itself has to become `unshare`: its process id is the one recorded.
exec_or_run() {
  if [ -n "${BECOME:-}" ]; then exec "$@"; else "$@"; fi
}

ENTER='
set -eu
home=$1 base=$2
shift 2
root=$home/root
mount -t overlay overlay -o "index=off,metacopy=off,redirect_dir=off,lowerdir=$base,upperdir=$home/upper,workdir=$home/work" "$root" || {
  echo "overlay mounts do not work on $home: set EHLO_INTEROP_CACHE and EHLO_INTEROP_DIR to folders of a file system that bears them (ext4, xfs, tmpfs)"
  exit 1
}
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mkdir -p "$root/interop"
mount --bind "$home/files" "$root/interop"
# Not by exec: the kernel forgets to end a process with its parent once that process changes its user,
# as servers do. This shell never does; it is the first process in here, and its end is that of all.
status=0
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ LC_ALL=C.UTF-8 chroot "$root" "$@" || status=$?
exit "$status"
'

# in_root COMMAND…: runs COMMAND in the server's file system and waits for it. Not while it runs.
in_root() {
  in_namespace "$HOME_DIR" "$@" </dev/null
}

# start_in COMMAND…: starts the server; COMMAND must stay in the foreground.
start_in() {
  (
    # The server must not hold the caller's output open.
    exec </dev/null >"$FILES/console.log" 2>&1
    BECOME=1 in_namespace "$HOME_DIR" "$@"
  ) &
  local pid=$!
  disown "$pid"
  printf '%s %s\n' "$pid" "$(started_at "$pid")" >"$HOME_DIR/pid"
}

# started_at PID: when that process began. With it a process id names one process for ever.
started_at() {
  local stat
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  stat=${stat##*) }
  set -- $stat
  printf '%s\n' "${20}"
}

running() {
  local pid began
  [ -r "$HOME_DIR/pid" ] || return 1
  read -r pid began <"$HOME_DIR/pid"
  [ "$(started_at "$pid")" = "$began" ]
}

# alive PID: a dead process that nobody has waited for yet does not count.
alive() {
  local stat
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  case ${stat##*) } in Z* | X*) return 1 ;; esac
}

# stop_server: ends what start_in has started, and only that, and removes its folder.
stop_server() {
  if running; then
    local pid first=''
    read -r pid _ <"$HOME_DIR/pid"
    read -r first <"/proc/$pid/task/$pid/children" || true
    # `unshare` ignores SIGTERM. Its end is that of the first process of the namespace, and so of all others.
    kill -KILL "$pid"
    for one in $pid $first; do
      for _ in $(seq 100); do
        alive "$one" || break
        sleep 0.05
      done
    done
  fi
  rm -rf "$HOME_DIR"
  rm -f "$ENV_FILE"
}

# end NAME: what `down` does. The last server takes the folder with it.
end() {
  NAME=$1
  [ -n "${EHLO_INTEROP_DIR:-}" ] || die "EHLO_INTEROP_DIR is not set: which one is to go down?"
  [ -d "$EHLO_INTEROP_DIR" ] || return 0
  HOME_DIR=$EHLO_INTEROP_DIR/$NAME
  ENV_FILE=$EHLO_INTEROP_DIR/$NAME.env
  stop_server
  local left
  left=$(find "$EHLO_INTEROP_DIR" -mindepth 1 -maxdepth 1 ! -name tls | wc -l)
  if [ "$left" = 0 ]; then
    rm -rf "$EHLO_INTEROP_DIR/tls"
    rmdir "$EHLO_INTEROP_DIR" 2>/dev/null || true # somebody else may have been the last, too
  fi
}

# make_certificates: the CA and the certificate of this run, unless another server has made them;
# copied to where the server finds them (/interop/tls).
make_certificates() {
  local tls=$EHLO_INTEROP_DIR/tls
  {
    flock 9 # two servers of one run may be the first
    if [ ! -d "$tls" ]; then
      printf '%s\n' "$CERTIFICATE_SCRIPT" >"$FILES/certificates"
      in_root sh /interop/certificates "$REALM" "$USER_NAME" >"$FILES/console.log" 2>&1
      mv "$FILES/made" "$tls"
    fi
  } 9<"$EHLO_INTEROP_DIR"
  cp -r "$tls" "$FILES/tls"
}

CERTIFICATE_SCRIPT='
set -eu
umask 022
mkdir /interop/made
cd /interop/made
key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
openssl req -x509 $key -days 30 -subj "/CN=ehlo interop CA" -keyout ca.key -out ca.pem \
  -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
openssl req -new $key -subj "/CN=mail.$1" -keyout key.pem -out cert.csr
cat >extensions <<END
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:mail.$1,DNS:localhost,IP:127.0.0.1
END
openssl x509 -req -in cert.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile extensions -out cert.pem
cat key.pem cert.pem >chain.pem
openssl req -new $key -subj "/CN=$2" -keyout client-key.pem -out cert.csr
cat >extensions <<END
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
END
openssl x509 -req -in cert.csr -CA ca.pem -CAkey ca.key -CAserial ca.srl -days 30 -extfile extensions -out client.pem
chmod 644 client-key.pem
rm ca.key ca.srl cert.csr extensions
'

# free_port VARIABLE: a port on which nothing listens, out of a hundred that are this server's alone: some are
# listened on long after they are given out, or never, and two Postfixes on one port share it without a word.
PORTS=''
free_port() {
  local candidate
  [ -n "$PORTS" ] || take_ports
  while [ $((PORTS % 100)) != 99 ]; do
    candidate=$PORTS
    PORTS=$((PORTS + 1))
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$candidate") 2>/dev/null; then
      printf -v "$1" '%s' "$candidate"
      return
    fi
  done
  die "no free port"
}

# Below the range from which the kernel takes the ports of outgoing connections. The lock is held by whoever has
# the file open: this script, and then the server that it starts, so that it ends with the server.
take_ports() {
  local lock hundred
  mkdir -p "$PORT_LOCKS"
  for _ in $(seq 500); do
    hundred=$((200 + RANDOM % 120))
    exec {lock}>>"$PORT_LOCKS/$hundred"
    if flock --nonblock "$lock"; then
      PORTS=$((hundred * 100))
      return
    fi
    exec {lock}>&-
  done
  die "no free ports: $PORT_LOCKS shows by whom they are taken (fuser)"
}

# One for all who run servers on this machine, whatever their caches are.
PORT_LOCKS=/tmp/ehlo-interop-ports

# wait_for_greeting PORT…: until each has said 220.
wait_for_greeting() {
  local port line
  for port in "$@"; do
    for _ in $(seq 300); do
      running || die "the server has ended"
      line=$( (exec 3<>"/dev/tcp/127.0.0.1/$port" && read -r -t 5 line <&3 && printf '%s' "$line" && printf 'QUIT\r\n' >&3) 2>/dev/null || true)
      case $line in 220*) continue 2 ;; esac
      sleep 0.1
    done
    die "no greeting on port $port"
  done
}

# wait_for_listener PORT…: until each takes a connection (for TLS from the start, which greets later).
wait_for_listener() {
  local port
  for port in "$@"; do
    for _ in $(seq 300); do
      running || die "the server has ended"
      ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || continue 2
      sleep 0.1
    done
    die "nothing listens on port $port"
  done
}

# write_env PREFIX NAME=VALUE…: the file to be sourced, each name with PREFIX in front. Written last,
# so that who finds it finds a server that answers.
write_env() {
  local prefix=$1 pair
  shift
  for pair in "$@"; do
    printf 'export %s_%s=%q\n' "$prefix" "${pair%%=*}" "${pair#*=}"
  done >"$ENV_FILE.new"
  mv "$ENV_FILE.new" "$ENV_FILE"
  trap - EXIT
}
