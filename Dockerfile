# Two stages: the first has pip and builds wheels, the second only what runs. The lock file's
# hashes decide what gets in, and nothing is compiled: every dependency has a wheel. Of the second
# there are two images: the registrar, and by --target workloads the programs to try SVIDs with.
FROM python:3.13-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# Dependencies first: this layer changes with the lock only.
COPY requirements-run.lock ./
RUN python -m pip wheel --require-hashes --only-binary=:all: \
      --wheel-dir /wheels --requirement requirements-run.lock

COPY setup.cfg pyproject.toml README.md ./
COPY api ./api
COPY registrar ./registrar
COPY controllers ./controllers
COPY topology ./topology
COPY workloads ./workloads
COPY manager ./manager
# The time of every file from here on, and of the image: the same sources give the same bytes. make image
# says when the last commit was. Modes are those of no machine's umask.
ARG SOURCE_DATE_EPOCH=315532800
# What builds our own wheel is locked too.
COPY requirements.lock ./
RUN chmod -R u=rwX,go=rX . \
 && awk '/^setuptools==/ { on = 1; print; next } on && /^[^ ]/ { exit } on' requirements.lock > build.lock \
 && python -m pip install --require-hashes --requirement build.lock \
 && python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

# The virtual environment is made where it will lie: its scripts name that path.
RUN python -m venv --without-pip /opt/spire-registrar \
 && python -m pip --python /opt/spire-registrar install \
      --no-index --find-links /wheels --no-deps --no-compile /wheels/*.whl \
 && /opt/spire-registrar/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/spire-registrar/lib


FROM python:3.13-slim AS runtime

COPY --from=build /opt/spire-registrar /opt/spire-registrar

# The root file system may be read-only: byte code is compiled already, logs go to stderr.
ENV PATH="/opt/spire-registrar/bin:$PATH" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

# By number, so that runAsNonRoot can be checked without a look into the image.
USER 65532:65532
WORKDIR /


FROM runtime AS workloads

LABEL org.opencontainers.image.title="spire-workload" \
      org.opencontainers.image.description="A client, a server and an authorizer for Envoy that use SVIDs" \
      org.opencontainers.image.licenses="Apache-2.0"

ENTRYPOINT ["spire-workload"]
CMD ["--help"]


FROM runtime

LABEL org.opencontainers.image.title="spire-registrar" \
      org.opencontainers.image.description="Keeps a SPIRE server's registration entries right for Kubernetes workloads" \
      org.opencontainers.image.licenses="Apache-2.0"

EXPOSE 8080
ENTRYPOINT ["spire-registrar"]
CMD ["run"]
