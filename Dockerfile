# One image for every command:  jackstay gateway, outbound, mirror, identity, demo, ...
#
# It runs as nobody in particular and writes nowhere but in /tmp, so it takes a read-only root
# file system (the demo needs a /tmp). Health is asked at the admin port: /live and /ready.

FROM python:3.13-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_CACHE_DIR=/var/cache/pip
RUN python -m venv --without-pip /opt/jackstay
WORKDIR /src

# Only wheels, only those whose hashes we know: nothing is compiled and nothing surprises.
COPY requirements.txt requirements-dev.txt ./
RUN --mount=type=cache,target=/var/cache/pip \
    pip --python /opt/jackstay/bin/python install --no-compile --require-hashes --only-binary :all: \
        -r requirements.txt

# setuptools builds our own wheel; its pin is among those for developing, and it stays in this stage.
RUN --mount=type=cache,target=/var/cache/pip \
    awk '/^[^ #]/ { wanted = /^setuptools==/ } wanted' requirements-dev.txt > build.txt \
    && pip install --require-hashes --only-binary :all: -r build.txt

COPY pyproject.toml README.md LICENSE ./
COPY certs certs
COPY cli cli
COPY cluster cluster
COPY gateway gateway
COPY mirror mirror
COPY process process
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
    && pip --python /opt/jackstay/bin/python install --no-compile --no-deps /dist/jackstay-*.whl

# Compiled here, since nothing can be written there; but not 24 MB of models that no process in a pod loads.
RUN /opt/jackstay/bin/python -m compileall -q -x /kubernetes_asyncio/ /opt/jackstay/lib

FROM python:3.13-slim

LABEL org.opencontainers.image.title="jackstay" \
      org.opencontainers.image.description="Services of one Kubernetes cluster used from another, by mutual TLS" \
      org.opencontainers.image.licenses="Apache-2.0"

COPY --from=build /opt/jackstay /opt/jackstay
ENV PATH=/opt/jackstay/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1

# A number, so that Kubernetes can tell it is not root (runAsNonRoot).
USER 2102:2102
WORKDIR /tmp

# 4143 mutual TLS, 4140 outbound, 4191 probe, 8080 identity, 9990 admin
EXPOSE 4143 4140 4191 8080 9990

ENTRYPOINT ["jackstay"]
CMD ["--help"]
