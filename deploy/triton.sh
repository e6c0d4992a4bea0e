#!/bin/sh
# Starts Triton on every model repository of IMGEN_MODEL_REPOSITORIES (separated by colons).
# Loaded at start: each model but the characters, which text_to_image loads by itself.
set -eu

new_key() { head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }

key=$(new_key)
value=$(new_key)
closed="model-repository,shared-memory,trace,logging:$key=$value"

# gRPC is for the frontends, metrics for Prometheus; HTTP only for the health check within this container.
set -- --model-control-mode=explicit \
    --grpc-address=0.0.0.0 --grpc-port=8001 --grpc-restricted-protocol="$closed" \
    --http-address=127.0.0.1 --http-port=8000 --http-restricted-api="$closed" \
    --metrics-address=0.0.0.0 --metrics-port=8002 \
    --strict-readiness=true --exit-timeout-secs=30 "$@"

# Beside this script: the image's packages, or a checkout's.
here=$(cd "$(dirname "$0")" && pwd)
IFS=:
# shellcheck disable=SC2086 # one word for each repository
models=$(PYTHONPATH="$here/site:$here/.." python3 -m contract base-models $IMGEN_MODEL_REPOSITORIES)
for repository in $IMGEN_MODEL_REPOSITORIES; do
    set -- "$@" "--model-repository=$repository"
done
IFS='
'
for model in $models; do
    set -- "$@" "--load-model=$model"
done

exec tritonserver "$@"
