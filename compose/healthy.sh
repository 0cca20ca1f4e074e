#!/usr/bin/env bash
# Ends well when the gateway on this machine says it is ready. Bash alone: the image has neither curl nor wget.
set -eu

port="${PORT:-3030}"
# Several ports may be listened on; the first will do.
exec 3<>"/dev/tcp/127.0.0.1/${port%%,*}"
printf 'GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
IFS=' ' read -r -t 3 _ status _ <&3
[ "$status" = 200 ]
