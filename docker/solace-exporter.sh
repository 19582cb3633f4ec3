#!/bin/sh
# The exporter takes its password from the environment only; we keep passwords in files. Read once: a new password needs a restart.
set -eu
SOLACE_PASSWORD=$(cat "$SOLACE_PASSWORD_FILE")
export SOLACE_PASSWORD
exec /usr/local/bin/solace_prometheus_exporter --config-file=/etc/solace/solace_prometheus_exporter.ini
