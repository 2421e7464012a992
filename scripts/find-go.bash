# Sourced by the scripts that build something with Go; they define `say` and `fail`.
go_needed=1.25
go_release=go1.25.4
go_sha256=f4fa35e13952bae9836a82d8cf077710cd58fee98d31680f94edf435852b1af2

go_is_new_enough() {
  local found
  found=$(go env GOVERSION 2>/dev/null) || return 1
  [ "$(printf '%s\n' "go$go_needed" "$found" | sort -V | head -n 1)" = "go$go_needed" ]
}

# Without a Go that is new enough, the one that the Go module proxy serves is taken for this build alone.
find_go() {
  PATH=$PATH:/usr/local/go/bin
  go_is_new_enough && return
  command -v python3 >/dev/null || fail "go not found: install Go $go_needed or newer (https://go.dev/dl); the tests build an S3 server and a linter with it"
  local proxy=${GOPROXY:-} name=v0.0.1-$go_release.linux-amd64
  proxy=${proxy%%[,|]*}
  case $proxy in http*) ;; *) proxy=https://proxy.golang.org ;; esac
  say "Go $go_needed or newer not found, fetching $go_release from $proxy for this build (64 MB)"
  python3 - "$proxy/golang.org/toolchain/@v/$name.zip" "$go_sha256" "$1" >&2 <<'PYTHON' || fail "Go could not be fetched: install Go $go_needed or newer (https://go.dev/dl)"
import hashlib, io, sys, urllib.request, zipfile
url, expected, folder = sys.argv[1:]
content = urllib.request.urlopen(url, timeout=60).read()
if hashlib.sha256(content).hexdigest() != expected:
    sys.exit(f"s3: {url} has not the digest {expected}")
zipfile.ZipFile(io.BytesIO(content)).extractall(folder)
PYTHON
  # An archive of modules keeps no permissions.
  export GOROOT=$1/golang.org/toolchain@$name GOTOOLCHAIN=local
  chmod -R u+x "$GOROOT/bin" "$GOROOT/pkg/tool"
  PATH=$GOROOT/bin:$PATH
}
