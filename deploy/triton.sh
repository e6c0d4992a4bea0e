#!/bin/sh
# Starts Triton on every model repository of IMGEN_MODEL_REPOSITORIES (separated by colons).
# Loaded at start: each model but the characters, which text_to_image loads by itself.
set -eu

# Open to who sends a header of this name and value. A value that nobody knows would stand in the command line,
# which others can read; so it is a lock without a key: no header has a line's end in it, nor gRPC's such names.
closed='model-repository,shared-memory,trace,logging:Closed to everybody=al
ways'

# A model that does not load stops no other one: the frontends do not offer it, and /readyz names it.
# gRPC is for the frontends, metrics for Prometheus; HTTP only for the health check within this container.
set -- --model-control-mode=explicit \
    --grpc-address=0.0.0.0 --grpc-port=8001 --grpc-restricted-protocol="$closed" \
    --grpc-max-response-pool-size=64 \
    --http-address=127.0.0.1 --http-port=8000 --http-restricted-api="$closed" \
    --metrics-address=0.0.0.0 --metrics-port=8002 \
    --exit-on-error=false --strict-readiness=false --exit-timeout-secs=30 "$@"

# A folder with server.pem, server.key and ca.pem: only clients with a certificate of that authority are served.
if [ -n "${IMGEN_TRITON_TLS:-}" ]; then
    set -- --grpc-use-ssl-mutual=true --grpc-server-cert="$IMGEN_TRITON_TLS/server.pem" \
        --grpc-server-key="$IMGEN_TRITON_TLS/server.key" --grpc-root-cert="$IMGEN_TRITON_TLS/ca.pem" "$@"
fi

# Orders that the frontends trace are told to that collector, and no others (docs/tracing.md).
if [ -n "${IMGEN_OTLP_URL:-}" ]; then
    set -- --trace-config=mode=opentelemetry --trace-config=level=TIMESTAMPS --trace-config=rate=2147483647 \
        "--trace-config=opentelemetry,url=${IMGEN_OTLP_URL%/}/v1/traces" \
        --trace-config=opentelemetry,resource=service.name=triton "$@"
fi

# The image's own onnxruntime runs graphs, also where there is no GPU: its memory is what is foreseen.
export IMGEN_CPU_RUNTIME="${IMGEN_CPU_RUNTIME:-onnxruntime}"

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
