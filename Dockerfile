# One image for every command of fraudstream: `docker run fraudstream worker`. Without the embedded servers: bring your own
# Kafka and Redis. Needs BuildKit (Docker 23 and later). `make image` names the base by the digest that its tag has today.
#   --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:…   the base; a tag alone can change
#   --platform linux/amd64,linux/arm64                            both, in one manifest list (docker buildx)
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# The processor that the kernel is compiled for while the image is built. x86-64-v3: Intel since Haswell (2013), AMD since
# Excavator (2015), all with AVX2. For an older one: --build-arg AMD64_CPU=x86-64-v2.
FROM ${PYTHON_IMAGE} AS python-amd64
ARG AMD64_CPU=x86-64-v3
ENV NUMBA_CPU_NAME=${AMD64_CPU} NUMBA_CPU_FEATURES=""
FROM ${PYTHON_IMAGE} AS python-arm64
ENV NUMBA_CPU_NAME=generic NUMBA_CPU_FEATURES=""

# faust-streaming has no wheel for arm64: its source is installed, without its C parts, as there is no compiler.
FROM python-amd64 AS build-amd64
ENV FROM_SOURCE=""
FROM python-arm64 AS build-arm64
ENV FROM_SOURCE="--no-binary faust-streaming"

FROM build-${TARGETARCH} AS build
WORKDIR /source
# Wheels, each with the hash that was locked: nothing is compiled here.
COPY requirements-image.lock requirements-build.lock ./
RUN python -m venv /opt/fraudstream \
 && /opt/fraudstream/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes --only-binary :all: $FROM_SOURCE -r requirements-image.lock \
 && python -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r requirements-build.lock
COPY . .
RUN /opt/build/bin/pip wheel --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/fraudstream/bin/pip install --disable-pip-version-check --no-deps --no-index /wheels/*.whl \
 && /opt/fraudstream/bin/pip uninstall --yes --quiet pip setuptools
# A pod copies the compiled kernel into its cache, and starts in seconds.
RUN shipped=$(/opt/fraudstream/bin/python -c "from fraudstream.compiled.cache import SHIPPED; print(SHIPPED)") \
 && mkdir "$shipped" \
 && NUMBA_CACHE_DIR="$shipped" /opt/fraudstream/bin/python -m fraudstream.cli.compile_kernel "$(dirname "$shipped")/rules"

FROM python-${TARGETARCH}
COPY --from=build /opt/fraudstream /opt/fraudstream
# Any user id of group 0 may write here; others use /tmp, or compile into memory. A new volume takes owner and mode over.
RUN install -d -m 0770 -o 10001 -g 0 /var/cache/fraudstream /var/lib/fraudstream/console /var/lib/fraudstream/history
ENV PATH=/opt/fraudstream/bin:$PATH NUMBA_CACHE_DIR=/var/cache/fraudstream PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# A number: Kubernetes' runAsNonRoot cannot check a name.
USER 10001:0
WORKDIR /
EXPOSE 9458 9459 9460 9461 9462 9463 9464 8460 8470
ENTRYPOINT ["fraudstream"]
CMD ["--help"]
