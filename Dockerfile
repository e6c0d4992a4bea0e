# syntax=docker/dockerfile:1
# Three images: `frontend` (the API server), `acs` (the reference reviewer), `triton` (inference).
#   docker build --target frontend -t imgen-frontend .
# Every package comes from a lock with hashes.

FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# g++: hnswlib and pdqhash are compiled. No fixed version: Debian keeps only the newest, and it is not shipped.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*

FROM build AS build-frontend
COPY requirements/frontend.txt /requirements/
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --require-hashes -r /requirements/frontend.txt

FROM build AS build-acs
COPY requirements/acs.txt /requirements/
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --require-hashes -r /requirements/acs.txt

FROM python:3.11-slim-bookworm AS python
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MALLOC_MMAP_THRESHOLD_=1048576
WORKDIR /app
RUN useradd --system --no-create-home --uid 10001 --user-group imgen \
    && install -d -o imgen -g imgen -m 0700 /var/lib/imgen

FROM python AS frontend
COPY --from=build-frontend /opt/venv /opt/venv
COPY demo/catalogue demo/catalogue
COPY contract contract
COPY deploy/bucket.py deploy/s3-lifecycle.json deploy/s3-cors.json deploy/
COPY embedded embedded
COPY cli cli
COPY clients/python/imgen_client imgen_client
COPY frontend frontend
# docker build --build-arg REVISION=$(git describe --always --dirty --exclude='*' --abbrev=12) …
ARG REVISION=""
RUN echo "$REVISION" > frontend/common/revision.txt
LABEL org.opencontainers.image.revision=$REVISION
COPY requirements/frontend.txt requirements/
RUN printf '#!/bin/sh\nexec python -m cli.main "$@"\n' > /usr/local/bin/imgen && chmod 0755 /usr/local/bin/imgen
ENV IMGEN_HOST=0.0.0.0 IMGEN_PORT=8080 IMGEN_DATA_DIR=/var/lib/imgen
USER 10001:10001
VOLUME /var/lib/imgen
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
# As `imgen COMMAND`: the container serves; within it, `docker compose exec frontend imgen keys list`.
ENTRYPOINT ["python", "-m", "cli.main"]
CMD ["serve"]

FROM python AS acs
COPY --from=build-acs /opt/venv /opt/venv
COPY contract contract
COPY acs acs
ARG REVISION=""
LABEL org.opencontainers.image.revision=$REVISION
USER 10001:10001
EXPOSE 9000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9000/readyz', timeout=4)"]
ENTRYPOINT ["python", "-m", "acs", "--host", "0.0.0.0", "--port", "9000"]

# 26.07 is the oldest release with the fixes of the advisories known when this was written.
FROM nvcr.io/nvidia/tritonserver:26.07-py3 AS triton
COPY requirements/triton.txt /requirements/
# Beside the image's own packages, not over them.
RUN pip install --no-cache-dir --require-hashes --target /opt/imgen/site -r /requirements/triton.txt
# The models' interpreters look there; so does triton.sh.
COPY contract /opt/imgen/site/contract
COPY deploy/triton.sh /opt/imgen/
COPY model_repository /opt/imgen/model_repository
# Runs what `imgen export --engine inductor` writes; needs torch too, see docs/engines.md.
COPY backends/shared backends/inductor /opt/tritonserver/backends/inductor/
# Makes the cache's vectors, of text_to_image's prompts; model_repository has its model.
COPY backends/shared backends/prompt_encoder /opt/tritonserver/backends/prompt_encoder/
ENV IMGEN_TRITON_SITE=/opt/imgen/site \
    IMGEN_MODEL_REPOSITORIES=/opt/imgen/model_repository:/models \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_MMAP_THRESHOLD_=1048576
# triton-server of the base image
USER 1000:1000
VOLUME /models
EXPOSE 8001 8002
HEALTHCHECK --interval=10s --timeout=5s --start-period=600s --retries=3 \
    CMD ["curl", "--fail", "--silent", "http://127.0.0.1:8000/v2/models/text_to_image/ready"]
ENTRYPOINT ["sh", "/opt/imgen/triton.sh"]
